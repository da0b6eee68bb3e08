"""How long a chunk takes to infer, by action head and number of threads."""

import time

import numpy as np
from vla_bringup.benchmarks.figures import percentiles
from vla_core.protocols import Policy
from vla_core.spec import load_robot, RobotSpec
from vla_core.types import Observation, Subtask
from vla_policy.policy import load_policy

_WARM_UP = 5


def run(policy: str, repetitions: int) -> dict[str, dict]:
    """Return the inference time of a chunk [ms] for each head with 1 and with 2 threads."""
    spec = load_robot('panda')
    return {
        f'{head}, {threads} thread{"s" if threads > 1 else ""} [ms]': percentiles(
            _times(load_policy(policy, spec, head, threads), spec, repetitions))
        for head in ('flow', 'l1') for threads in (1, 2)}


def _times(policy: Policy, spec: RobotSpec, repetitions: int) -> list[float]:
    rng = np.random.default_rng(0)
    observation = made_up_observation(spec, rng)
    subtask = Subtask('bench', 'bench', 'open the drawer', 'open the drawer')
    times = []
    for _ in range(_WARM_UP + repetitions):
        began = time.perf_counter()
        policy.infer(observation, subtask, previous=None, rng=rng)
        times.append(1e3 * (time.perf_counter() - began))
    return times[_WARM_UP:]


def made_up_observation(spec: RobotSpec, rng: np.random.Generator) -> Observation:
    """Return an observation of noise in the shapes of a robot."""
    images = {
        name: rng.integers(0, 256, (camera.height, camera.width, 3), dtype=np.uint8)
        for name, camera in spec.cameras.items()}
    home = spec.joints.home
    pose = np.array([0.45, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0])
    return Observation(0, 'bench', images, home, np.zeros_like(home), pose, 1.0)
