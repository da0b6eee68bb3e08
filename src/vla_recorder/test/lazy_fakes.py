"""Values that exist only while they are read, and episodes of several rates."""

from dataclasses import replace

from made_up_episodes import make_episode, make_images
import numpy as np
from vla_core.episode import Episode, Stream


class MadeUpRows:
    """Rows of noise that follow from their numbers; says how many were asked for at most."""

    def __init__(self, shape: tuple[int, ...], dtype: type = np.uint8) -> None:
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.most = 0

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(len(self))
        self.most = max(self.most, stop - start)
        made = [np.random.default_rng(k).integers(0, 256, self.shape[1:]) for k in
                range(start, stop)]
        return np.array(made, self.dtype).reshape(-1, *self.shape[1:])


def make_rates(steps: int = 9, seed: int = 0) -> Episode:
    """Return an episode with depth, touch, a slow camera, a fast one and joint states at 1 kHz."""
    rng = np.random.default_rng(seed)
    base = make_episode(steps, seed)
    stamps = base.streams['action'].stamps_ns
    start, end = int(stamps[0]), int(stamps[-1])

    def at(period_ns: int, values: np.ndarray) -> Stream:
        times = np.arange(start - 3 * period_ns, end + 1, period_ns) + 11
        return Stream(times, np.resize(values, (len(times), *values.shape[1:])))

    pictures = make_images(30)
    joints = at(1_000_000, rng.normal(size=(steps, 7)))
    streams = {
        'observation/images/static': at(130_000_000, pictures),
        'observation/images/wrist': at(21_000_000, pictures),
        'observation/depth/static': at(130_000_000, rng.random((30, 6, 8)).astype(np.float32)),
        'observation/depth/wrist': Stream(
            stamps, rng.integers(0, 9999, (steps, 6, 8)).astype(np.uint16)),
        'observation/tactile/left': at(40_000_000, pictures),
        'observation/state/joint_position': joints,
        'observation/state/joint_velocity': Stream(joints.stamps_ns, -joints.values),
        'progress': at(300_000_000, rng.random(steps)),
        'progress/fine': at(1_000_000, rng.random(steps)),
        'sim/nothing': Stream(np.empty(0, np.int64), np.empty((0, 3))),
    }
    return replace(base, streams={**base.streams, **streams})
