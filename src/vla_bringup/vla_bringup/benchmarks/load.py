"""How fast training samples come from the disk at random: from HDF5, from mp4, and beside others.

A sample is the pictures of all cameras, the state and a chunk of 16 actions. Everything is
measured on the same frames in the same run, in turns: our loader from both formats, PyAV alone
decoding the same pictures at random (the limit of mp4), and LeRobotDataset in its own
interpreter. The files are in the page cache of the machine for all of them alike. Rates are by
the clock on the wall and, for one process, by the time of CPU that it had: they are equal on an
idle machine.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
import json
from math import nan
import multiprocessing
import os
from pathlib import Path
import subprocess
import tempfile
import time
from typing import NamedTuple

import av
import numpy as np
from vla_bringup.benchmarks import lerobot_load
from vla_core.episode import Episode
from vla_core.errors import VlaError
from vla_core.spec import load_robot, RobotSpec
from vla_recorder.formats import create_dataset, open_dataset, WriteOptions
from vla_recorder.hdf5.codec import Hdf5Writer
from vla_recorder.loader.episode import VideoPictures
from vla_recorder.loader.loader import Loader, open_loader
from vla_sim.collect import DemoConfig, demonstrate
from vla_sim.environment import TableEnvironment
from vla_training.loader import BatchLoader

PX, CHUNK, BATCH = 224, 16, 32
ROUNDS, SECONDS = 3, 3.0  # each contender is measured so often and so long
_TASKS = ('put_red_block_in_bowl', 'open_drawer', 'press_button', 'lift_blue_block')
_EPISODES = 8
_LONG = 1_000_000  # samples of an epoch, so that none ends while it is measured

Figures = Mapping[str, float | int]


class Rate(NamedTuple):
    """Samples a second."""

    wall: float
    cpu: float  # of the one process; nan for several


def run(dataset: Path | None, lerobot_python: Path | None, seed: int) -> dict[str, Figures]:
    """Return samples/s of every contender and the ratios that matter."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write(root, dataset, seed)
        rows = measure(root, lerobot_python, seed)
        source = 'rendered by the simulator' if dataset is None else dataset.name
        return {f'data: {source}': rows.pop('data'), **rows}


def measure(
    root: Path, lerobot_python: Path | None, seed: int,
    rounds: int = ROUNDS, seconds: float = SECONDS,
) -> dict[str, Figures]:
    """Return the figures of the data sets `hdf5` and `lerobot` in `root`, medians of rounds."""
    hdf5, mp4 = (open_loader([root / name], CHUNK) for name in ('hdf5', 'lerobot'))
    contenders: dict[tuple[str, int], Callable[[int], Rate]] = {}
    counts = sorted({1, os.cpu_count() or 1})
    for count in counts:
        contenders[('HDF5', count)] = partial(_ours, hdf5, count, seconds)
        contenders[('mp4', count)] = partial(_ours, mp4, count, seconds)
        contenders[('decode limit', count)] = partial(_limit, mp4, count, seconds)
        if lerobot_python is not None:
            contenders[('LeRobotDataset', count)] = partial(
                _theirs, lerobot_python, root / 'lerobot', count, seconds)
    turns = [{key: measured(seed + turn) for key, measured in contenders.items()}
             for turn in range(rounds)]
    rates = {key: Rate(*np.median([turn[key] for turn in turns], axis=0).tolist())
             for key in contenders}
    pictures = next(iter(mp4.episodes[0].pictures.values()))
    rows: dict[str, Figures] = {'data': {
        'frames': len(mp4), 'cameras': len(mp4.cameras), 'px': pictures.width}}
    for count in counts:
        rows |= _rows({name: rate for (name, n), rate in rates.items() if n == count}, count)
    return rows


def _rows(rates: Mapping[str, Rate], processes: int) -> dict[str, Figures]:
    plural = 'es' if processes > 1 else ''
    rows = {f'{name}, {processes} process{plural}': _figures('samples/s', *rate)
            for name, rate in rates.items()}
    for one, other in (('HDF5', 'LeRobotDataset'), ('mp4', 'LeRobotDataset'),
                       ('mp4', 'decode limit')):
        if other in rates:
            ratios = (a / b for a, b in zip(rates[one], rates[other]))
            rows[f'{one} / {other}, {processes}'] = _figures('ratio', *ratios)
    return rows


def _figures(what: str, wall: float, cpu: float) -> Figures:
    return {what: wall} if np.isnan(cpu) else {what: wall, f'{what} of CPU': cpu}


def _ours(loader: Loader, processes: int, seconds: float, seed: int) -> Rate:
    """Return the rate of our loader; one process is this one."""
    longer = Loader(loader.episodes * -(-_LONG // len(loader)), loader.chunk)
    reading = BatchLoader(longer, BATCH, seed=seed, processes=processes if processes > 1 else 0)
    batches = iter(reading)
    for _ in range(4 * processes):  # to start the processes and to have their queues in order
        next(batches)
    count, began, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        count += len(next(batches))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    reading.close()
    return Rate(count / wall, count / cpu if processes == 1 else nan)


def _limit(loader: Loader, processes: int, seconds: float, seed: int) -> Rate:
    """Return the rate of PyAV alone, each process with its own open containers."""
    frames = [[(p.video.path, float(p.video.times_s[p.frames[row]]))
               for p in rows.pictures.values() if isinstance(p, VideoPictures)]
              for rows in loader.episodes for row in range(len(rows))]
    if processes == 1:
        return decode_at_random(frames, seed, seconds)
    with ProcessPoolExecutor(processes, multiprocessing.get_context('spawn')) as pool:
        measure_in = partial(decode_at_random, frames)
        list(pool.map(measure_in, range(processes), [0.2] * processes))  # all have begun
        rates = pool.map(measure_in, range(seed, seed + processes), [seconds] * processes)
        return Rate(sum(rate.wall for rate in rates), nan)


def decode_at_random(
    frames: list[list[tuple[str, float]]], seed: int, seconds: float
) -> Rate:
    """Return the rate at which PyAV seeks and decodes lists of pictures (video, time [s])."""
    rng, opened, count = np.random.default_rng(seed), {}, 0
    for path in {path for sample in frames for path, _ in sample}:
        opened[path] = av.open(path)
        opened[path].streams.video[0].codec_context.thread_count = 1
    began, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        for path, wanted in frames[rng.integers(len(frames))]:
            _decode(opened[path], wanted)
        count += 1
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    for container in opened.values():
        container.close()
    return Rate(count / wall, count / cpu)


def _decode(container: av.container.InputContainer, time_s: float) -> np.ndarray:
    stream = container.streams.video[0]
    wanted = round(time_s / stream.time_base)
    container.seek(wanted, stream=stream)
    for frame in container.decode(stream):
        if frame.pts >= wanted:
            return frame.to_ndarray(format='rgb24')
    raise VlaError(f'{container.name}: got no frame at {time_s:.3f} s')


def _theirs(python: Path, root: Path, processes: int, seconds: float, seed: int) -> Rate:
    """Return the rate of LeRobotDataset, run by an interpreter that has lerobot."""
    command = [str(python), lerobot_load.__file__, str(root), str(CHUNK), str(BATCH),
               str(processes if processes > 1 else 0), str(seconds), str(seed)]
    environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True,
            env={**environment, 'HF_HUB_OFFLINE': '1'})
        said = json.loads(done.stdout.splitlines()[-1])
        return Rate(said['wall'], said['cpu'] if processes == 1 else nan)
    except (OSError, subprocess.CalledProcessError, ValueError, IndexError, KeyError) as error:
        why = getattr(error, 'stderr', '') or str(error)
        raise VlaError(
            f'--lerobot-python {python}: {why.strip().splitlines()[-1][:200]}; '
            'allowed a Python with lerobot 0.4') from error


def _write(root: Path, dataset: Path | None, seed: int) -> None:
    """Write the same episodes as HDF5 and as LeRobot v3: rendered ones, or of a data set."""
    spec = load_robot('panda')
    if dataset is not None:
        reader = open_dataset(dataset)
        writer = _Both(root, WriteOptions())
        for index in range(len(reader)):
            writer.write(reader.read(index))
        reader.close()
    else:
        cameras = {name: replace(c, width=PX, height=PX) for name, c in spec.cameras.items()}
        spec = replace(spec, cameras=cameras)
        writer = _Both(root, WriteOptions(robot=spec, fps=spec.policy.step_hz))
        _render(spec, writer, seed)
    writer.close()


class _Both:
    """An EpisodeWriter into both formats."""

    def __init__(self, root: Path, options: WriteOptions) -> None:
        self._writers = (Hdf5Writer(root / 'hdf5'),
                         create_dataset(root / 'lerobot', 'lerobot', options))

    def write(self, episode: Episode) -> None:
        """Write one episode twice."""
        for writer in self._writers:
            writer.write(episode)

    def close(self) -> None:
        """Finish both."""
        for writer in self._writers:
            writer.close()


def _render(spec: RobotSpec, writer: _Both, seed: int) -> None:
    environment = TableEnvironment(spec, 'bowl')
    config = DemoConfig(follow_up=0.0)
    for number in range(_EPISODES):
        list(demonstrate(
            environment, _TASKS[number % len(_TASKS)], seed + number, writer, config))
    environment.close()
