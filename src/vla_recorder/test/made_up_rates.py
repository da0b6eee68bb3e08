"""A made-up episode whose streams run at rates of their own, for formats with a table."""

from dataclasses import replace

from made_up_episodes import make_episode, make_images, START_NS
import numpy as np
from vla_core.episode import Episode, Stream

MS = 1_000_000


def make_mixed_episode(steps: int = 6, seed: int = 0) -> Episode:
    """Return an episode of many rates and types; every picture is asked for by some step.

    The action has 100 ms a step; `static` runs with it, `wrist`, depth and touch at half the
    rate and 3 ms later, the joints ten times as fast, the wrench twice.
    """
    rng = np.random.default_rng(seed)
    base = make_episode(steps, seed)
    action = START_NS + 100 * MS * np.arange(steps)
    slow = START_NS + 3 * MS + 200 * MS * np.arange((steps + 1) // 2)
    joints = START_NS - 5 * MS + 10 * MS * np.arange(10 * steps)
    wrench = START_NS - 1 * MS + 50 * MS * np.arange(2 * steps)
    bits = rng.integers(0, 2**32, (len(slow), 12, 16), dtype=np.uint32)
    values = {
        'observation/images/static': (action, make_images(steps, 24, 32)),
        'observation/images/wrist': (slow, make_images(len(slow), 20, 20, phase=90)),
        'observation/depth/static': (slow, bits.view(np.float32)),  # NaN, infinity and all
        'observation/depth/wrist': (slow, rng.integers(0, 65536, (len(slow), 9, 7), np.uint16)),
        'observation/tactile/left': (slow, make_images(len(slow), 10, 12, phase=30)),
        'observation/heat': (action, rng.normal(size=(steps, 40, 40))),
        'observation/state/joint_position': (joints, rng.normal(size=(len(joints), 7))),
        'observation/state/joint_velocity': (
            joints, rng.normal(size=(len(joints), 7)).astype(np.float32)),
        'observation/state/wrench': (wrench, rng.normal(size=(len(wrench), 6))),
        'observation/state/gripper': (action, rng.random(steps)),
        'observation/state/contact': (wrench, rng.random((len(wrench), 2)) > 0.5),
        'observation/state/ticks': (action, rng.integers(0, 2**64, steps, np.uint64)),
        'observation/state/half': (action, rng.random((steps, 2)).astype(np.float16)),
        'observation/state/image_static': (action, rng.integers(-128, 128, (steps, 3), np.int8)),
        'action': (action, rng.normal(size=(steps, 7)).astype(np.float32)),
    }
    return replace(base, streams={name: Stream(*pair) for name, pair in values.items()})
