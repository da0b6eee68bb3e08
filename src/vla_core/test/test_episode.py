"""Laws of the episode: what it refuses, and how a rollout becomes one."""

import numpy as np
import pytest
from vla_core.episode import (
    check_name,
    Episode,
    EpisodeBuilder,
    Intervention,
    Stream,
    SubtaskSpan,
)
from vla_core.errors import InvalidDataError
from vla_core.types import (
    ActionChunk,
    Observation,
    Representation,
    SimState,
    Subtask,
    TaskOutcome,
)

STEP_NS = 83_333_333
POSE = np.array([0.4, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0])


def observed(step: int) -> Observation:
    return Observation(
        stamp_ns=step * STEP_NS, episode_id='lift_red_block-7',
        images={name: np.full((4, 5, 3), step, dtype=np.uint8) for name in ('static', 'wrist')},
        joint_position=np.full(7, step, dtype=np.float64), joint_velocity=np.zeros(7),
        tool_pose=POSE, gripper=0.5)


def state(step: int) -> SimState:
    return SimState(
        stamp_ns=step * STEP_NS, episode_id='lift_red_block-7', task='lift_red_block',
        objects={'red_block': POSE}, joints={'drawer': 0.1}, tool_pose=POSE, tool_target=POSE,
        gripper=0.5, gripper_target=1.0)


def subtask(number: int) -> Subtask:
    return Subtask(f's{number}', 'lift_red_block-7', 'lift the red block', f'part {number}')


def chunk(step: int) -> ActionChunk:
    values = np.full((3, 7), step, dtype=np.float32)
    return ActionChunk(step * STEP_NS, step, 'lift_red_block-7', 's0', 'expert',
                       Representation.EE_DELTA, 1 / 12, values, 0.25 * step)


def outcome(step: int) -> TaskOutcome:
    return TaskOutcome(
        step * STEP_NS, 'lift_red_block-7', 'lift_red_block', True, True, 'lifted', step)


def played(builder: EpisodeBuilder, steps: int = 4) -> Episode:
    builder.on_reset(observed(0), state(0), 'lift the red block')
    for step in range(steps):
        builder.on_step(observed(step), state(step), subtask(step // 2), chunk(step))
    builder.on_end(outcome(steps))
    return builder.build()


def test_a_rollout_becomes_an_episode_of_the_standard_streams() -> None:
    episode = played(EpisodeBuilder('panda', 7, meta={'policy': 'expert'}))
    assert {name: (s.values.shape, s.values.dtype.str) for name, s in episode.streams.items()} == {
        'observation/images/static': ((4, 4, 5, 3), '|u1'),
        'observation/images/wrist': ((4, 4, 5, 3), '|u1'),
        'observation/state/joint_position': ((4, 7), '<f8'),
        'observation/state/joint_velocity': ((4, 7), '<f8'),
        'observation/state/tool_pose': ((4, 7), '<f8'),
        'observation/state/gripper': ((4,), '<f8'),
        'action': ((4, 7), '<f4'),
        'action/proposed': ((4, 7), '<f4'),
        'progress': ((4,), '<f4'),
    }
    assert (episode.episode_id, episode.task, episode.seed) == (
        'lift_red_block-7', 'lift_red_block', 7)
    assert (episode.success, episode.instruction) == (True, 'lift the red block')
    assert episode.meta == {'policy': 'expert', 'reason': 'lifted'}
    assert episode.cameras == ('static', 'wrist')
    assert (episode.start_ns, episode.end_ns) == (0, 3 * STEP_NS)


def test_rows_keep_their_order_and_stamps() -> None:
    episode = played(EpisodeBuilder('panda'))
    action = episode.streams['action']
    np.testing.assert_array_equal(action.values[:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(action.stamps_ns, np.arange(4) * STEP_NS)


def test_subtasks_become_spans_that_meet() -> None:
    episode = played(EpisodeBuilder('panda'))
    assert episode.subtasks == (
        SubtaskSpan(0, 2 * STEP_NS, 'part 0'), SubtaskSpan(2 * STEP_NS, 4 * STEP_NS, 'part 1'))


def test_privileged_state_is_recorded_only_when_asked_for() -> None:
    plain, privileged = (
        played(EpisodeBuilder('panda', record_sim=flag)).streams for flag in (False, True))
    assert privileged.keys() - plain.keys() == {
        'sim/objects/red_block', 'sim/joints/drawer', 'sim/tool_target'}
    assert privileged['sim/objects/red_block'].values.shape == (4, 7)
    assert privileged['sim/joints/drawer'].values.shape == (4,)


def test_a_label_replaces_what_is_taught_but_not_what_was_proposed() -> None:
    episode = played(EpisodeBuilder('panda', label=lambda *_: np.full(7, 9.0)))
    assert episode.streams['action'].values.dtype == np.float32
    assert (episode.streams['action'].values == 9.0).all()
    np.testing.assert_array_equal(episode.streams['action/proposed'].values[:, 0], [0, 1, 2, 3])


def test_a_builder_holds_exactly_one_ended_episode() -> None:
    builder = EpisodeBuilder('panda')
    with pytest.raises(InvalidDataError, match='0 steps'):
        builder.build()
    played(builder)
    with pytest.raises(InvalidDataError, match='second reset'):
        builder.on_reset(observed(0), state(0), 'again')


def test_a_camera_lost_in_mid_episode_is_an_error() -> None:
    builder = EpisodeBuilder('panda')
    builder.on_step(observed(0), state(0), subtask(0), chunk(0))
    blind = Observation(1, 'e', {}, np.zeros(7), np.zeros(7), POSE, 0.0)
    with pytest.raises(InvalidDataError, match='observation/images/static'):
        builder.on_step(blind, state(1), subtask(0), chunk(1))


@pytest.mark.parametrize('name', [
    'action', 'action/proposed', 'observation/images/static', 'a', '0-9_.x', 'x' * 128])
def test_good_names_pass(name: str) -> None:
    assert check_name('stream', name) == name


@pytest.mark.parametrize('name', [
    '', '/etc', '../x', 'a/../b', 'a..b', ' a', 'a b', 'a\n', '.hidden', 'x' * 129, 'ä', 7])
def test_names_that_could_leave_a_folder_are_refused(name: str) -> None:
    with pytest.raises(InvalidDataError, match='stream'):
        check_name('stream', name)


@pytest.mark.parametrize(('stamps', 'values', 'match'), [
    (np.arange(3), np.zeros(2), '3 stamps for values'),
    (np.array([1, 1]), np.zeros(2), 'got 1 after 1 ns at row 1'),
    (np.array([2, 1]), np.zeros(2), 'strictly increasing'),
    (np.array([0.0, 1.0]), np.zeros(2), 'int64'),
    (np.zeros((2, 2), dtype=int), np.zeros(2), r'\(N,\)'),
    (np.arange(2), np.array(['a', 'b']), 'numbers'),
    (np.arange(2), np.array([None, {}]), 'numbers'),
])
def test_a_stream_refuses_what_is_no_stream(
    stamps: np.ndarray, values: np.ndarray, match: str
) -> None:
    with pytest.raises(InvalidDataError, match=match):
        Stream(stamps, values)


def test_an_empty_stream_is_a_stream() -> None:
    assert len(Stream(np.zeros(0, dtype=np.int64), np.zeros((0, 7)))) == 0


@pytest.mark.parametrize('changed', [
    {'episode_id': '../../x'}, {'robot': ''}, {'task': 'a b'},
    {'streams': {'/abs': Stream(np.arange(1), np.zeros(1))}}, {'streams': {'action': [1]}},
])
def test_an_episode_refuses_bad_parts(changed: dict[str, object]) -> None:
    good = {'episode_id': 'e0', 'robot': 'panda', 'task': '', 'instruction': '', 'streams': {}}
    assert Episode(**good).success is None
    with pytest.raises(InvalidDataError):
        Episode(**{**good, **changed})


@pytest.mark.parametrize('span', [SubtaskSpan, Intervention])
def test_a_span_does_not_end_before_it_starts(span: type) -> None:
    with pytest.raises(InvalidDataError, match='before start'):
        span(2, 1, 'x')
