"""Made-up episodes for the tests of the recorder."""

import numpy as np
from vla_core.episode import Episode, Intervention, Question, Stream, SubtaskSpan

START_NS = 5_000_000_123
STEP_NS = 83_333_333


def make_images(steps: int, height: int = 32, width: int = 48, phase: int = 0) -> np.ndarray:
    """Return smooth moving pictures (N, H, W, 3) uint8, kind to a codec."""
    row, column = np.mgrid[0:height, 0:width]
    frames = [
        np.stack([row * 4 + 2 * k, column * 3 + phase, np.full_like(row, 8 * k)], -1)
        for k in range(steps)]
    return (np.array(frames) % 256 // 2 + 60).astype(np.uint8)


def make_streams(steps: int, rng: np.random.Generator) -> dict[str, Stream]:
    """Return the standard streams; the stamps are as uneven as true ones."""
    stamps = START_NS + STEP_NS * np.arange(steps) + rng.integers(0, 1_000_000, steps)
    values = {
        'observation/images/static': make_images(steps),
        'observation/images/wrist': make_images(steps, phase=90),
        'observation/state/joint_position': rng.normal(size=(steps, 7)),
        'observation/state/joint_velocity': rng.normal(size=(steps, 7)),
        'observation/state/tool_pose': rng.normal(size=(steps, 7)),
        'observation/state/gripper': rng.random(steps),
        'action': rng.normal(size=(steps, 7)).astype(np.float32),
        'action/proposed': rng.normal(size=(steps, 7)).astype(np.float32),
        'progress': rng.random(steps).astype(np.float32),
    }
    return {name: Stream(stamps, value) for name, value in values.items()}


def make_episode(steps: int = 4, seed: int = 0, success: bool | None = True) -> Episode:
    """Return an episode that depends on nothing but its arguments."""
    rng = np.random.default_rng(seed)
    return Episode(
        episode_id=f'e{seed}',
        robot='panda',
        task='lift_red_block',
        instruction='pick up the red block',
        streams=make_streams(steps, rng),
        success=success,
        seed=seed,
        subtasks=(SubtaskSpan(START_NS, START_NS + 9, 'grasp it'),),
        interventions=(Intervention(START_NS, START_NS + 5, 'teleop'),),
        questions=(Question(START_NS, 'static', 'how many blocks?', 'three'),),
        meta={'reason': 'done', 'noise': 0.25, 'round': 2, 'dagger': False},
    )


def assert_equal(got: Episode, wanted: Episode) -> None:
    """Hold two episodes against each other, bit for bit."""
    assert set(got.streams) == set(wanted.streams)
    for name, stream in wanted.streams.items():
        other = got.streams[name]
        assert other.values.dtype == stream.values.dtype, name
        assert other.values.shape == stream.values.shape, name
        assert other.values.tobytes() == stream.values.tobytes(), name
        assert other.stamps_ns.tobytes() == stream.stamps_ns.tobytes(), name
    for field in ('episode_id', 'robot', 'task', 'instruction', 'success', 'seed',
                  'subtasks', 'interventions', 'questions'):
        assert getattr(got, field) == getattr(wanted, field), field
    assert dict(got.meta) == dict(wanted.meta)
