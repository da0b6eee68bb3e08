"""Measure LeRobotDataset beside our loader; run by an interpreter that has lerobot.

    python lerobot_load.py ROOT CHUNK BATCH PROCESSES SECONDS SEED

It prints JSON with samples/s. Nothing of the suite is imported.
"""

import json
import sys
import time


def main(root: str, chunk: int, batch: int, processes: int, seconds: float, seed: int) -> None:
    """Measure and print."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset, LeRobotDatasetMetadata
    import torch
    torch.set_num_threads(1)
    fps = LeRobotDatasetMetadata('local/bench', root=root).fps
    dataset = LeRobotDataset(
        'local/bench', root=root, delta_timestamps={'action': [k / fps for k in range(chunk)]})
    generator = torch.Generator().manual_seed(seed)
    sampler = torch.utils.data.RandomSampler(
        dataset, replacement=True, num_samples=1_000_000, generator=generator)
    ahead = {'prefetch_factor': 2} if processes else {}
    batches = iter(torch.utils.data.DataLoader(
        dataset, batch_size=batch, sampler=sampler, num_workers=processes, **ahead))
    for _ in range(4 * max(1, processes)):
        next(batches)
    count, began, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        count += len(next(batches)['index'])
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps({'wall': count / wall, 'cpu': count / cpu}), flush=True)


if __name__ == '__main__':
    _root, *_counts, _seconds, _seed = sys.argv[1:]
    main(_root, *map(int, _counts), float(_seconds), int(_seed))
