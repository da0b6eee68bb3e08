"""Record with LeRobot's own loop beside our recorder; run by an interpreter that has lerobot.

    python lerobot_record.py FRAMES ROOT HZ SECONDS STREAMING VCODEC

The frames are handed over in this process, which costs LeRobot no transport; joints are sampled
with them. It prints JSON. Nothing of the suite is imported.
"""

import json
from pathlib import Path
import resource
import sys
import time

WRITERS = 4  # threads a camera that write PNG: lerobot-record's default


def main(
    frames: str, root: str, rate_hz: int, seconds: float, streaming: bool, vcodec: str,
) -> None:
    """Record and print."""
    import lerobot
    from lerobot.datasets.lerobot_dataset import LeRobotDataset
    import numpy as np
    cycles = np.load(frames)
    cameras = [f'observation.images.camera_{k}' for k in range(len(cycles))]
    features = {name: {'dtype': 'video', 'shape': cycles.shape[2:],
                       'names': ['height', 'width', 'channels']} for name in cameras}
    for name in ('observation.state', 'action'):
        features[name] = {'dtype': 'float32', 'shape': (9,), 'names': [f'j{k}' for k in range(9)]}
    dataset = LeRobotDataset.create(
        'local/bench', rate_hz, features, root=root, vcodec=vcodec,
        image_writer_threads=0 if streaming else WRITERS * len(cameras),
        streaming_encoding=streaming)
    rows, slow, period = 0, 0, 1.0 / rate_hz
    began, began_cpu = time.perf_counter(), _cpu_s()  # the imports are over
    while (start := time.perf_counter()) - began < seconds:
        state = np.full(9, rows, np.float32)
        pictures = {name: cycles[k, rows % cycles.shape[1]] for k, name in enumerate(cameras)}
        dataset.add_frame({**pictures, 'observation.state': state, 'action': state,
                           'task': 'record'})
        rows += 1
        left = period - (time.perf_counter() - start)
        slow += left < 0
        time.sleep(max(0.0, left))
    lasted, cpu = time.perf_counter() - began, _cpu_s()
    dataset.save_episode()
    saved = time.perf_counter() - began - lasted
    dataset.finalize()
    print(json.dumps({
        'version': lerobot.__version__, 'rows': rows, 'slow': slow, 'seconds': lasted,
        'loop_cores': (cpu - began_cpu) / lasted, 'save_s': saved, 'save_cpu_s': _cpu_s() - cpu,
        'kept': dataset.meta.total_frames, 'lost': _lost(dataset),
        'disk_mb': sum(p.stat().st_size for p in Path(root).rglob('*') if p.is_file()) / 1e6,
    }), flush=True)


def _lost(dataset: object) -> int:
    """Return the frames of all cameras that a full queue of its encoder cost."""
    encoder = getattr(dataset, '_streaming_encoder', None)
    return sum(getattr(encoder, '_dropped_frames', {}).values())


def _cpu_s() -> float:
    return sum(r.ru_utime + r.ru_stime for r in map(
        resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


if __name__ == '__main__':
    _frames, _root, _rate, _seconds, _streaming, _vcodec = sys.argv[1:]
    main(_frames, _root, int(_rate), float(_seconds), _streaming == 'on', _vcodec)
