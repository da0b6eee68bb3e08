"""A world so small that a model learns it in seconds: a dot to move to, and two sentences."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
import signal
import threading

import numpy as np
from vla_core.episode import (
    ACTION,
    Episode,
    GRIPPER,
    IMAGE_PREFIX,
    JOINT_VELOCITY,
    PROGRESS,
    SIM_PREFIX,
    Stream,
    TOOL_POSE,
)
from vla_core.spec import load_robot
from vla_recorder.hdf5.codec import Hdf5Writer
from vla_training.data import LANDMARKS

SPEC = load_robot('panda')
SENTENCES = {'lift_red_block': 'lift the red block', 'lift_blue_block': 'lift the blue block'}
COLOURS = {'red': (230, 20, 20), 'blue': (20, 20, 230)}


def write_episodes(folder: Path, count: int, steps: int = 6) -> None:
    """Write episodes in which the action leads to the dot that the sentence names."""
    writer = Hdf5Writer(folder)
    for number in range(count):
        writer.write(dot_episode(number, steps))


def dot_episode(number: int, steps: int = 6) -> Episode:
    """Return an episode of still pictures; dots of both colours lie anywhere."""
    rng = np.random.default_rng(number)
    task = list(SENTENCES)[number % 2]
    places = {colour: rng.uniform(-0.8, 0.8, 2) for colour in COLOURS}
    image = np.full((96, 96, 3), 128, np.uint8)
    for colour, (x, y) in places.items():
        row, column = (int(47.5 + 40 * v) for v in (y, x))
        image[row - 5:row + 5, column - 5:column + 5] = COLOURS[colour]
    x, y = places[task.split('_')[1]]
    return _episode(number, task, steps, image, places, (x, y))


def _episode(
    number: int, task: str, steps: int, image: np.ndarray, places: dict, goal: Sequence[float]
) -> Episode:
    stamps = np.arange(steps, dtype=np.int64) * 83_333_333
    action = np.array([0.02 * goal[0], 0.02 * goal[1], 0, 0, 0, 0, float(goal[0] > 0)])
    still = {
        f'{IMAGE_PREFIX}static': image, f'{IMAGE_PREFIX}wrist': image[::-1],
        TOOL_POSE: np.array([0.5, 0, 0.3, 1, 0, 0, 0]), GRIPPER: np.float64(1.0),
        JOINT_VELOCITY: np.zeros(7), ACTION: action.astype(np.float32),
        **{f'{SIM_PREFIX}objects/{name}': np.array([0.5, 0, 0, 0, 0, 0, 1]) for name in LANDMARKS},
        **{f'{SIM_PREFIX}objects/{colour}_block': np.array([0.5 + 0.1 * x, 0.1 * y, 0, 0, 0, 0, 1])
           for colour, (x, y) in places.items()}}
    streams = {name: Stream(stamps, np.repeat(np.asarray(value)[None], steps, 0))
               for name, value in still.items()}
    streams[PROGRESS] = Stream(stamps, np.linspace(0, 1, steps, dtype=np.float32))
    return Episode(f'{task}-{number}', 'panda', task, SENTENCES[task], streams, True, number)


def start_toy(late: Path | None = None) -> Callable[[str, int], dict]:
    """Return an episode without a world; the task `stuck` goes on for long, then writes `late`."""
    return partial(_toy_episode, late)


def _toy_episode(late: Path | None, task: str, seed: int) -> dict:
    if task == 'stuck':
        threading.Event().wait(30.0)
        late.touch()
    return {'task': task, 'seed': seed, 'success': (len(task) + seed) % 2 == 0,
            'deaf': signal.getsignal(signal.SIGINT) is signal.SIG_IGN}
