"""Made-up episodes for the tests of the recorder."""

from dataclasses import replace

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


def make_multirate_episode(seconds: float = 1.0, seed: int = 0) -> Episode:
    """Return what a robot with everything records: each stream at a rate of its own.

    Two cameras, depth of both types, touch, 1 kHz joints, force, text that is not ASCII.
    """
    rng = np.random.default_rng(seed)

    def stamps(rate_hz: int, late_ns: int = 0) -> np.ndarray:
        count = max(2, round(rate_hz * seconds))
        shake = rng.integers(0, 100_000_000 // rate_hz, count)
        return START_NS + late_ns + np.arange(count) * (1_000_000_000 // rate_hz) + shake

    def numbers(rate_hz: int, *shape: int, kind: type = np.float64) -> Stream:
        times = stamps(rate_hz)
        return Stream(times, rng.normal(size=(len(times), *shape)).astype(kind))

    fast, film, slow = stamps(1000), stamps(30, 40_000_000), stamps(15)
    metres = rng.random((len(slow), 24, 32)).astype(np.float32)
    metres[0, 0] = np.inf  # nothing in sight
    joints = rng.normal(size=(3, len(fast), 7))
    streams = {
        'observation/images/static': Stream(film, make_images(len(film))),
        'observation/images/wrist': Stream(slow, make_images(len(slow), 24, 32, phase=90)),
        'observation/depth/static': Stream(
            film, rng.integers(0, 65536, (len(film), 16, 24)).astype(np.uint16)),
        'observation/depth/wrist': Stream(slow, metres),
        'observation/tactile/left': Stream(film, make_images(len(film), 18, 24, phase=30)),
        'observation/state/joint_position': Stream(fast, joints[0]),
        'observation/state/joint_velocity': Stream(fast, joints[1]),
        'observation/state/tool_pose': numbers(60, 7),
        'observation/state/gripper': Stream(fast, joints[2, :, 0]),
        'observation/state/wrench': numbers(100, 6),
        'action': numbers(15, 7, kind=np.float32),
        'action/proposed': numbers(5, 7, kind=np.float32),
        'progress': numbers(5, kind=np.float32),
    }
    middle = START_NS + int(seconds * 5e8)
    return Episode(
        episode_id=f'multirate-{seed}',
        robot='panda',
        task='open_drawer',
        instruction='öffne die Schublade, 打开抽屉, "ouvre" — 🤖',
        streams=streams,
        success=None if seed % 3 == 2 else seed % 3 == 0,
        seed=None if seed % 2 else seed,
        subtasks=(SubtaskSpan(START_NS, middle, 'greife den Griff'),
                  SubtaskSpan(middle, middle + 9, '拉开')),
        interventions=(Intervention(middle, middle + 5, 'teleop'),),
        questions=(Question(int(film[3]), 'static', 'Was ist offen?', 'nichts', 'vqa'),
                   Question(int(slow[1]), 'wrist', '', 'ein Greifer über dem Tisch', 'caption')),
        meta={'reason': 'Zeit abgelaufen', 'noise': 0.1, 'round': -3, 'dagger': True},
    )


def assert_equal(got: Episode, wanted: Episode) -> None:
    """Hold two episodes against each other, bit for bit."""
    assert set(got.streams) == set(wanted.streams)
    for name, stream in wanted.streams.items():
        other = got.streams[name]
        assert other.values.dtype == stream.values.dtype, name
        assert other.values.shape == stream.values.shape, name
        assert other.values[:].tobytes() == stream.values[:].tobytes(), name
        assert other.stamps_ns.tobytes() == stream.stamps_ns.tobytes(), name
    for field in ('episode_id', 'robot', 'task', 'instruction', 'success', 'seed',
                  'subtasks', 'interventions', 'questions'):
        assert getattr(got, field) == getattr(wanted, field), field
    assert dict(got.meta) == dict(wanted.meta)


def assert_kept(got: Episode, wanted: Episode, error: tuple[float, int] = (0.0, 0)) -> None:
    """Hold an episode that went through one table of frames against what was recorded.

    Numbers and texts are equal bit for bit. Of pictures there are those with the stamps kept,
    colour within the mean and greatest `error` of a codec, depth as it was.
    """
    assert set(got.streams) == set(wanted.streams)
    pictures = ('observation/images/', 'observation/depth/', 'observation/tactile/')
    streams = dict(wanted.streams)
    for name in (n for n in wanted.streams if n.startswith(pictures)):
        stamps = got.streams[name].stamps_ns
        rows = np.searchsorted(wanted.streams[name].stamps_ns, stamps)
        streams[name] = Stream(stamps, wanted.streams[name].values[:][rows])
        assert len(stamps) and (wanted.streams[name].stamps_ns[rows] == stamps).all(), name
        if error[1] and streams[name].values.dtype == np.uint8:
            far = np.abs(got.streams[name].values[:].astype(int) - streams[name].values)
            assert far.mean() <= error[0] and far.max() <= error[1], (name, far.mean(), far.max())
            streams[name] = Stream(stamps, got.streams[name].values)
    assert_equal(got, replace(wanted, streams=streams))
