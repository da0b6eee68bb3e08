"""How fast tables run: steps with both cameras, demonstrations, and where their time goes.

Rates are by the clock on the wall and, as `of CPU`, by the time that the process had: they are
equal on an idle machine. The comparison renders the Panda's published meshes, as they come with
PyBullet, instead of our boxes: same scene, same cameras, same motion.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
import os
from pathlib import Path
import tempfile
import time
from xml.etree import ElementTree

import numpy as np
import pybullet_data
from vla_bringup.stopwatch import Stopwatch
from vla_core.control.controller import ArmController
from vla_core.episode import EpisodeBuilder
from vla_core.errors import InvalidDataError
from vla_core.rollout import rollout
from vla_core.spec import load_robot, RobotSpec
from vla_recorder.hdf5.codec import Hdf5Writer
from vla_sim.collect import (
    CleanAnswers,
    DisturbedExpert,
    expert_label,
    LabelledEpisode,
    Noise,
    NoiseConfig,
)
from vla_sim.environment import TableEnvironment
from vla_training.evaluate import Job, Outcome, run_episodes, RunEpisode

TASKS = {
    'bowl': ('put_red_block_in_bowl', 'open_drawer', 'press_button', 'lift_blue_block'),
    'table_d': ('lift_red_block_table', 'move_slider_left', 'push_blue_block_left', 'open_drawer'),
}
PARTS = ('physics', 'cameras', 'controller', 'expert', 'state', 'writer', 'table')
_TIMEOUT_S = 12.0
_VIEWS = 50  # pictures a camera for the comparison of meshes

Figures = dict[str, float | int]


def run(episodes: int, seed: int) -> dict[str, Figures]:
    """Return the figures of each scene over `episodes` a measurement."""
    if episodes < 1:
        raise InvalidDataError(f'--episodes: got {episodes}, allowed 1 or more')
    rows: dict[str, Figures] = {}
    for scene, tasks in TASKS.items():
        jobs = [(tasks[i % len(tasks)], seed + i) for i in range(episodes)]
        rows |= {f'{scene}, {name}': figures for name, figures in _scene(scene, jobs)}
    return rows


def _scene(scene: str, jobs: Sequence[Job]) -> Iterator[tuple[str, Figures]]:
    spec, cores = load_robot('panda'), os.cpu_count() or 1
    alone = _stepping(scene, spec, jobs)
    yield 'steps, 1 core', alone
    yield f'steps, {cores} cores', _on_cores(scene, jobs * cores, cores)
    with tempfile.TemporaryDirectory() as folder:
        meshes = with_meshes(spec, Path(folder))
        slow = _stepping(scene, meshes, jobs)
        yield 'steps, plain meshes', slow
        ours, theirs = _picture_ms(scene, spec), _picture_ms(scene, meshes)
        yield 'both cameras [ms]', {
            'boxes': ours, 'plain meshes': theirs, 'ratio': theirs / ours,
            'ratio of steps': alone['steps/s of CPU'] / slow['steps/s of CPU']}
        yield from demonstrations(scene, jobs, Path(folder))


def with_meshes(spec: RobotSpec, folder: Path) -> RobotSpec:
    """Return the spec whose links look as in pybullet_data's Panda; all else stays."""
    home = Path(pybullet_data.getDataPath()) / 'franka_panda'
    looks = {link.get('name'): link.findall('visual')
             for link in ElementTree.parse(home / 'panda.urdf').getroot().findall('link')}
    tree = ElementTree.parse(spec.urdf)
    for link in tree.getroot().findall('link'):
        for visual in link.findall('visual'):
            link.remove(visual)
        for visual in looks.get(link.get('name'), ()):
            for mesh in visual.iter('mesh'):
                mesh.set('filename', mesh.get('filename').replace('package:/', str(home)))
            link.append(visual)
    path = folder / 'meshes.urdf'
    tree.write(path)
    return replace(spec, urdf=path)


def _stepping(scene: str, spec: RobotSpec, jobs: Sequence[Job]) -> Figures:
    """Return how many policy steps the expert makes a second in one process."""
    step = _open(scene, spec)
    step(*jobs[0])  # to warm up
    results = [step(*job) for job in jobs]
    wall, cpu, steps = (sum(r[name] for r in results) for name in ('wall', 'cpu', 'steps'))
    return {'steps/s': steps / wall, 'steps/s of CPU': steps / cpu, 'steps': steps}


def _on_cores(scene: str, jobs: Sequence[Job], cores: int) -> Figures:
    """Return the same of all processes together, from the first start to the last end."""
    results = [result for _, result in run_episodes(jobs, partial(_open, scene, 'panda'), cores)]
    wall = max(r['ended'] for r in results) - min(r['ended'] - r['wall'] for r in results)
    steps = sum(result['steps'] for result in results)
    return {'steps/s': steps / wall, 'steps': steps}


def _open(scene: str, robot: str | RobotSpec) -> RunEpisode:
    """Set up one process; return the function that runs one episode in it."""
    environment = TableEnvironment(robot, scene)

    def step(task: str, seed: int) -> Outcome:
        began, cpu = time.monotonic(), time.process_time()  # monotonic: the whole machine's
        steps = rollout(
            environment, ArmController(environment.spec), DisturbedExpert(environment), None,
            '', seed=seed, task=task, timeout_s=_TIMEOUT_S).steps
        ended = time.monotonic()
        return {'steps': steps, 'wall': ended - began, 'ended': ended,
                'cpu': time.process_time() - cpu}

    return step


def _picture_ms(scene: str, spec: RobotSpec) -> float:
    """Return how long both cameras take together, of CPU [ms]."""
    environment = TableEnvironment(spec, scene)
    environment.reset(0, TASKS[scene][0], _TIMEOUT_S)
    times = []
    for _ in range(_VIEWS):
        began = time.process_time()
        environment.images()
        times.append(1e3 * (time.process_time() - began))
    environment.close()
    return float(np.median(times))


def demonstrations(
    scene: str, jobs: Sequence[Job], folder: Path
) -> Iterator[tuple[str, Figures]]:
    """Yield the rate of recorded frames, and the time of CPU a frame [ms] by part."""
    environment, writer = TableEnvironment('panda', scene), Hdf5Writer(folder)
    watch = Stopwatch(time.process_time)
    _watch(environment, watch)
    wall, cpu, frames = time.perf_counter(), time.process_time(), 0
    for task, seed in jobs:
        frames += _demonstrate(environment, task, seed, watch, writer)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    environment.close()
    yield 'demonstrations', {
        'frames/s': frames / wall, 'frames/s of CPU': frames / cpu, 'frames': frames}
    parts = {name: watch.seconds.get(name, 0.0) for name in PARTS}
    for name, seconds in {**parts, 'other': cpu - sum(parts.values())}.items():
        yield f'of it {name}', {
            'ms a frame': 1e3 * seconds / frames, 'share [%]': 100.0 * seconds / cpu}


def _watch(environment: TableEnvironment, watch: Stopwatch) -> None:
    """Time what an environment does; no label lies within another."""
    for target, methods in (
        (environment.world, {'step': 'physics', 'build': 'table'}),
        (environment.follower, {'accept': 'controller', 'sample': 'controller'}),
        (environment, {'images': 'cameras', '_read_state': 'state'}),
    ):
        for method, label in methods.items():
            setattr(target, method, watch.timed(getattr(target, method), label))


def _demonstrate(
    environment: TableEnvironment, task: str, seed: int, watch: Stopwatch, writer: Hdf5Writer
) -> int:
    """Record one disturbed demonstration as `vla collect` does; return its frames."""
    answers, spec = CleanAnswers(environment), environment.spec
    noise = Noise(NoiseConfig(), np.random.default_rng([seed, 11]))
    builder = EpisodeBuilder(
        spec.name, seed, record_sim=True, label=watch.timed(expert_label(answers), 'expert'))
    controller = watch.watch(ArmController(spec), dict.fromkeys(
        ('on_chunk', 'on_joint_state', 'tick'), 'controller'))
    actor = watch.watch(DisturbedExpert(environment, noise), {'infer': 'expert'})
    rollout(environment, controller, actor, None, '', seed=seed, task=task,
            timeout_s=_TIMEOUT_S, subscribers=(LabelledEpisode(builder, answers),))
    episode = builder.build()
    watch.timed(writer.write, 'writer')(episode)
    return len(episode.streams['action'])
