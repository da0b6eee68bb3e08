"""Laws of the recorder: what it keeps, what it drops, and that it never stands in the way."""

from collections.abc import Callable
from dataclasses import replace
import errno

import numpy as np
import pytest
from vla_core.episode import Episode
from vla_core.errors import InvalidDataError
from vla_core.geometry import apply_delta
from vla_core.spec import load_robot
from vla_core.types import (
    ActionChunk,
    ControlStatus,
    Mode,
    Observation,
    Representation,
    Subtask,
    TaskOutcome,
)
from vla_recorder.recording.recorder import Recorder, RecorderLimits

PANDA = load_robot('panda')
STEP_NS = 83_333_333
PERIOD_NS = 8_333_333


class ListWriter:
    """Keeps episodes in memory, or fails as it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.episodes: list[Episode] = []
        self.error = error
        self.closed = False

    def write(self, episode: Episode) -> None:
        if self.error:
            raise self.error
        self.episodes.append(episode)

    def close(self) -> None:
        self.closed = True


def forward(joints: np.ndarray) -> np.ndarray:
    """Return a tool pose that is easy to foresee: the first three joints are metres."""
    return np.array([*joints[:3], 0.0, 0.0, 0.0, 1.0])


def make_recorder(
    writer: ListWriter, free: Callable[[], int] = lambda: 10**12,
    said: list[str] | None = None, **limits: int,
) -> Recorder:
    said = [] if said is None else said
    return Recorder(PANDA, writer, forward, free, said.append, RecorderLimits(**limits))


def observation(step: int, episode_id: str = 'e0', stamp_ns: int | None = None) -> Observation:
    image = np.full((96, 96, 3), step % 256, np.uint8)
    return Observation(
        stamp_ns=step * STEP_NS if stamp_ns is None else stamp_ns, episode_id=episode_id,
        images={'static': image, 'wrist': image}, joint_position=np.full(7, 0.1),
        joint_velocity=np.zeros(7), tool_pose=np.array([0.5, 0, 0.2, 0, 0, 0, 1.0]),
        gripper=1.0, age_s={'static': 0.01})


def chunk(step: int, gripper: float = 1.0, episode_id: str = 'e0') -> ActionChunk:
    values = np.full((8, 7), gripper, np.float32)
    return ActionChunk(step * STEP_NS, step, episode_id, 's', 'test', Representation.EE_DELTA,
                       STEP_NS / 1e9, values, progress=step / 10)


def subtask(episode_id: str = 'e0', key: str = 's', stamp_ns: int = 0) -> Subtask:
    return Subtask(key, episode_id, 'lift it', f'do {key}', stamp_ns=stamp_ns)


def outcome(
    step: int, episode_id: str = 'e0', success: bool = True, done: bool = True
) -> TaskOutcome:
    return TaskOutcome(step * STEP_NS, episode_id, 'lift', success, done, 'as said', step)


def record(recorder: Recorder, steps: int, episode_id: str = 'e0') -> None:
    for k in range(steps):
        recorder.on_observation(observation(k, episode_id))
        recorder.on_subtask(subtask(episode_id))
        recorder.on_chunk(chunk(k, episode_id=episode_id))


def test_an_episode_is_kept_with_its_verdict() -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    record(recorder, 5)
    recorder.on_outcome(outcome(5, success=True))
    record(recorder, 3, 'e1')
    recorder.on_outcome(outcome(3, 'e1', success=False))
    recorder.close()
    assert [(e.episode_id, e.success, len(e.streams['action'])) for e in writer.episodes] == [
        ('e0', True, 5), ('e1', False, 3)]
    assert writer.episodes[0].instruction == 'lift it'
    assert writer.episodes[0].meta['complete'] is True
    assert writer.closed


def test_actions_lead_along_the_commanded_path() -> None:
    writer, rng = ListWriter(), np.random.default_rng(0)
    recorder = make_recorder(writer)
    joints = np.cumsum(rng.normal(scale=1e-3, size=(40, 7)), axis=0)
    for tick in range(40):
        if tick % 10 == 0:
            recorder.on_observation(observation(tick // 10, stamp_ns=tick * PERIOD_NS))
            recorder.on_subtask(subtask())
        recorder.on_command((tick + 1) * PERIOD_NS, joints[tick])
    recorder.on_outcome(replace(outcome(4), stamp_ns=40 * PERIOD_NS))
    recorder.close()
    pose = forward(np.full(7, 0.1))
    for step, action in enumerate(writer.episodes[0].streams['action'].values):
        pose = apply_delta(pose, action[:6].astype(np.float64))
        assert np.allclose(pose, forward(joints[10 * step + 9]), atol=1e-7)


def test_nothing_commanded_is_a_zero_motion() -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    record(recorder, 3)
    recorder.close()
    action = writer.episodes[0].streams['action'].values
    assert not action[:, :6].any() and (action[:, 6] == 1.0).all()


def test_the_gripper_goal_follows_the_row_being_played() -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    recorder.on_status(ControlStatus(0, Mode.POLICY, '', 'test'))
    for k in range(6):
        recorder.on_observation(observation(k))
        recorder.on_subtask(subtask())
    recorder.on_chunk(chunk(1, gripper=0.0))
    recorder.on_chunk(chunk(3, gripper=0.5))  # undecided: the goal stays
    recorder.on_chunk(chunk(4, gripper=0.9))
    recorder.close()
    assert writer.episodes[0].streams['action'].values[:, 6].tolist() == [1, 0, 0, 0, 1, 1]


def test_what_nobody_proposed_is_nan_and_never_zero() -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    recorder.on_observation(observation(0))
    recorder.on_subtask(subtask())
    recorder.on_observation(observation(1))
    recorder.on_chunk(chunk(1))
    recorder.close()
    streams = writer.episodes[0].streams
    assert np.isnan(streams['action/proposed'].values).all(axis=1).tolist() == [True, False]
    assert np.isnan(streams['progress'].values).tolist() == [True, False]
    assert np.isnan(streams['observation/age_s/wrist'].values).all()


def hear_three_steps(answers_first: bool) -> Episode:
    writer = ListWriter()
    recorder = make_recorder(writer)
    for k in range(3):
        if not answers_first:
            recorder.on_observation(observation(k))
        recorder.on_subtask(subtask())
        recorder.on_chunk(chunk(k))
        if answers_first:
            recorder.on_observation(observation(k))
        recorder.on_command((k + 1) * STEP_NS, np.full(7, k * 0.01))
    recorder.on_outcome(outcome(3))
    recorder.close()
    return writer.episodes[0]


def test_the_order_in_which_topics_are_heard_does_not_matter() -> None:
    episodes = [hear_three_steps(answers_first) for answers_first in (False, True)]
    for name, stream in episodes[0].streams.items():
        assert stream.values.tobytes() == episodes[1].streams[name].values.tobytes(), name


def test_an_episode_without_an_outcome_is_kept_as_an_incomplete_failure() -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    record(recorder, 3)
    record(recorder, 2, 'e1')  # another id ends the first
    recorder.close()  # a shutdown ends the second
    assert [e.success for e in writer.episodes] == [False, False]
    assert [e.meta['complete'] for e in writer.episodes] == [False, False]
    assert writer.episodes[1].meta['reason'] == 'incomplete: the recorder was stopped'


def test_an_episode_in_which_nothing_was_asked_is_not_kept() -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    recorder.on_observation(observation(0))
    recorder.close()
    assert writer.episodes == []


def test_late_messages_of_an_ended_episode_begin_nothing() -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    record(recorder, 3)
    recorder.on_outcome(outcome(3))
    for _ in range(2):
        recorder.settle()
    record(recorder, 4)
    recorder.on_outcome(outcome(3))
    recorder.close()
    assert len(writer.episodes) == 1


def test_what_other_topics_bring_just_after_the_outcome_is_kept() -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    record(recorder, 3)
    recorder.on_outcome(outcome(4))
    recorder.settle()
    recorder.on_observation(observation(3))
    recorder.on_chunk(chunk(3))
    recorder.on_command(4 * STEP_NS, np.full(7, 0.2))
    recorder.settle()
    assert recorder.state.queued + recorder.state.written == 1
    recorder.close()
    streams = writer.episodes[0].streams
    assert np.isfinite(streams['action/proposed'].values).all()
    assert streams['action'].values[3, 0] == np.float32(0.1)
    assert len(writer.episodes) == 1


def test_the_same_id_at_a_later_time_is_another_episode() -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    for first in (0, 3):
        for k in range(first, first + 3):
            recorder.on_observation(observation(k))
            recorder.on_subtask(subtask())
        recorder.on_outcome(replace(outcome(3), stamp_ns=(first + 3) * STEP_NS - 1))
    recorder.close()
    assert [len(e.streams['action']) for e in writer.episodes] == [3, 3]


def test_a_reset_in_the_middle_ends_the_episode() -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    record(recorder, 3)
    recorder.on_outcome(outcome(3, done=False))
    recorder.on_outcome(outcome(1, done=False))
    recorder.close()
    assert [e.meta['reason'] for e in writer.episodes] == ['incomplete: the world was reset']


def test_rows_after_the_outcome_are_left_out() -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    record(recorder, 6)
    recorder.on_outcome(outcome(5))
    recorder.close()
    assert len(writer.episodes[0].streams['action']) == 5
    assert writer.episodes[0].meta['missing_rows'] == 0


def test_interventions_and_subtasks_keep_their_time() -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    recorder.on_observation(observation(0))
    recorder.on_subtask(subtask(key='a'))
    recorder.on_status(ControlStatus(STEP_NS, Mode.TELEOP, '', 'human'))
    recorder.on_status(ControlStatus(2 * STEP_NS, Mode.POLICY, '', 'policy'))
    for k in range(1, 4):
        recorder.on_observation(observation(k))
    recorder.on_subtask(subtask(key='b', stamp_ns=2 * STEP_NS))
    recorder.on_outcome(outcome(4))
    recorder.close()
    episode = writer.episodes[0]
    held, *others = episode.interventions
    assert (held.source, held.start_ns, held.end_ns) == ('teleop', STEP_NS, 2 * STEP_NS)
    assert not others
    assert [(s.text, s.start_ns // STEP_NS, s.end_ns // STEP_NS) for s in episode.subtasks] == [
        ('do a', 0, 2), ('do b', 2, 4)]


def test_memory_is_bounded_and_dropped_rows_are_counted() -> None:
    writer, said = ListWriter(), []
    recorder = make_recorder(writer, said=said, max_episode_bytes=4 * 2 * 96 * 96 * 3)
    record(recorder, 6)
    recorder.on_outcome(outcome(6))
    assert recorder.state.dropped_rows == 2
    recorder.close()
    assert len(writer.episodes[0].streams['action']) == 4
    assert writer.episodes[0].meta['dropped_rows'] == 2
    assert sum('dropping rows' in line for line in said) == 1


def test_a_disk_with_little_space_stops_recording_and_says_so_once() -> None:
    writer, said, free = ListWriter(), [], [10**10]
    recorder = make_recorder(writer, free=lambda: free[0], said=said)
    record(recorder, 3)
    recorder.on_outcome(outcome(3))
    for _ in range(2):
        recorder.settle()
    free[0] = 10**8
    for name in ('e1', 'e2'):
        record(recorder, 3, name)
        recorder.on_outcome(outcome(3, name))
    assert 'got 0.10 GB free, allowed 1.00 GB or more' in recorder.state.problem
    free[0] = 10**10
    record(recorder, 3, 'e3')
    recorder.on_outcome(outcome(3, 'e3'))
    recorder.close()
    assert [e.episode_id for e in writer.episodes] == ['e0', 'e3']
    assert sum('recording stopped' in line for line in said) == 1
    assert recorder.state.problem == ''


def test_a_full_disk_stops_recording_and_the_loop_goes_on() -> None:
    writer, said = ListWriter(OSError(errno.ENOSPC, 'No space left on device')), []
    recorder = make_recorder(writer, said=said)
    for name in ('e0', 'e1', 'e2'):
        record(recorder, 3, name)
        recorder.on_outcome(outcome(3, name))
    recorder.close()
    assert 'No space left' in recorder.state.problem
    assert recorder.state.dropped_episodes + recorder.state.written >= 1
    assert sum('No space left' in line and 'stopped' in line for line in said) == 1


def test_an_episode_the_writer_refuses_does_not_stop_the_next() -> None:
    writer, said = ListWriter(InvalidDataError('bad one')), []
    recorder = make_recorder(writer, said=said)
    record(recorder, 3)
    recorder.on_outcome(outcome(3))
    recorder.close()
    assert recorder.state.dropped_episodes == 1 and recorder.state.problem == ''
    assert any('bad one' in line for line in said)


def test_answers_heard_before_the_first_observation_are_not_lost() -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    recorder.on_subtask(subtask('e1'))
    for k in range(3):
        recorder.on_chunk(chunk(k, episode_id='e1'))
        recorder.on_command((k + 1) * STEP_NS, np.full(7, 0.1 * (k + 2)))
    for k in range(3):
        recorder.on_observation(observation(k, 'e1'))
    recorder.close()
    streams = writer.episodes[0].streams
    assert np.isfinite(streams['action/proposed'].values).all()
    assert np.allclose(streams['action'].values[:, 0], 0.1)


@pytest.mark.parametrize('steps', [1, 4])
def test_a_row_without_a_camera_is_dropped_not_filled_in(steps: int) -> None:
    writer = ListWriter()
    recorder = make_recorder(writer)
    record(recorder, steps)
    blind = replace(observation(steps), images={'static': observation(0).images['static']})
    recorder.on_observation(blind)
    recorder.close()
    assert len(writer.episodes[0].streams['action']) == steps
