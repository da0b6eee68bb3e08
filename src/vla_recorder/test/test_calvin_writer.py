"""Laws of writing CALVIN's layout: it is CALVIN's, and reading returns what was written."""

from dataclasses import replace
from pathlib import Path

from made_up_calvin import make_split, relative_action
import numpy as np
import pytest
from vla_core.episode import (
    ACTION,
    Episode,
    GRIPPER,
    IMAGE_PREFIX,
    JOINT_POSITION,
    Stream,
    TOOL_POSE,
)
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.geometry import interpolate_pose, pose_distance
from vla_recorder.calvin.layout import BLOCKS
from vla_recorder.calvin.reader import CalvinSplit, TOOL_TARGET
from vla_recorder.calvin.vectors import accumulate
from vla_recorder.calvin.writer import CalvinWriter
import yaml

SCENE = 'calvin_scene_B'
DERIVED = ('observation/state/joint_velocity',)
HOME = np.array([0.4, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0])


def make_episode(steps: int, step_ns: int, disturbed: bool = False) -> Episode:
    """Return an episode of our own table; where it is not disturbed the targets are reached."""
    rng = np.random.default_rng(steps)
    action = np.column_stack([
        rng.uniform(-0.03, 0.03, (steps, 6)), rng.integers(0, 2, steps)]).astype(np.float32)
    poses = accumulate(HOME, action)[:-1]
    values = {
        ACTION: action, TOOL_POSE: poses, GRIPPER: rng.random(steps),
        JOINT_POSITION: rng.normal(size=(steps, 7)),
        IMAGE_PREFIX + 'static': rng.integers(0, 256, (steps, 6, 6, 3), np.uint8),
        IMAGE_PREFIX + 'wrist': rng.integers(0, 256, (steps, 4, 4, 3), np.uint8)}
    values |= {f'sim/objects/{name}': poses + rng.normal(size=7) * (1, 1, 1, 0, 0, 0, 0)
               for name in BLOCKS[SCENE]}
    values |= {f'sim/joints/{name}': rng.random(steps)
               for name in ('door', 'drawer', 'button', 'switch')}
    values |= {f'sim/joints/{name}': rng.integers(0, 2, steps) * 1.0 for name in ('bulb', 'led')}
    if disturbed:
        values[TOOL_TARGET] = poses + rng.normal(size=(steps, 7)) * (.01, .01, .01, 0, 0, 0, 0)
    stamps = 7_000_000_000 + np.arange(steps) * step_ns
    return Episode('e', 'panda', 'open_drawer', 'pull the drawer open',
                   {name: Stream(stamps, value) for name, value in values.items()}, True)


def read_back(folder: Path, *episodes: Episode) -> list[Episode]:
    writer = CalvinWriter(folder, SCENE)
    for episode in episodes:
        writer.write(episode)
    split = CalvinSplit(folder)
    return [split.read(segment) for segment in split.segments]


def assert_alike(got: Episode, wanted: Episode) -> None:
    for name, stream in wanted.streams.items():
        value = got.streams[name].values
        assert value.dtype == stream.values.dtype, name
        if stream.values.shape[1:] == (7,) and 'joint' not in name and name != ACTION:
            moved = [pose_distance(a, b) for a, b in zip(value, stream.values)]
            assert np.max(moved) < 1e-6, name
        else:
            np.testing.assert_allclose(value, stream.values, atol=2e-6, err_msg=name)
    assert (got.task, got.instruction) == (wanted.task, wanted.instruction)


@pytest.mark.parametrize('disturbed', [False, True])
def test_an_episode_at_30_hz_survives(tmp_path, disturbed) -> None:
    episode = make_episode(9, 33_333_333, disturbed)
    [back] = read_back(tmp_path, episode)
    assert_alike(back, episode)
    assert (TOOL_TARGET in back.streams) == disturbed


def test_a_segment_of_calvins_survives(tmp_path) -> None:
    make_split(tmp_path / 'training', scene=SCENE)
    split = CalvinSplit(tmp_path / 'training')
    episodes = [split.read(segment) for segment in split.segments]
    for back, episode in zip(read_back(tmp_path / 'ours', *episodes), episodes, strict=True):
        streams = {k: v for k, v in episode.streams.items() if k not in DERIVED}
        assert_alike(back, replace(episode, streams=streams))


def test_frames_are_those_that_calvins_own_code_reads(tmp_path) -> None:
    read_back(tmp_path, make_episode(9, 33_333_333), make_episode(4, 33_333_333))
    np.testing.assert_array_equal(np.load(tmp_path / 'ep_start_end_ids.npy'), [[0, 8], [9, 12]])
    np.testing.assert_array_equal(np.load(tmp_path / 'ep_lens.npy'), [9, 4])
    scenes = np.load(tmp_path / 'scene_info.npy', allow_pickle=True).item()
    assert scenes == {SCENE: [0, 12]}
    path = tmp_path / 'lang_annotations' / 'auto_lang_ann.npy'
    language = np.load(path, allow_pickle=True).item()
    assert language['info']['indx'] == [(0, 8), (9, 12)]
    assert language['language']['task'] == ['open_drawer'] * 2
    assert language['language']['ann'] == ['pull the drawer open'] * 2
    for number in range(13):
        with np.load(tmp_path / f'episode_{number:07d}.npz') as frame:
            shapes = {key: (frame[key].shape, frame[key].dtype) for key in frame.files}
            np.testing.assert_allclose(
                frame['rel_actions'], relative_action(frame['actions'], frame['robot_obs']),
                atol=1e-9)
            assert frame['actions'][6] in (-1.0, 1.0)
        assert shapes == {
            'rgb_static': ((6, 6, 3), np.uint8), 'rgb_gripper': ((4, 4, 3), np.uint8),
            'robot_obs': ((15,), np.float64), 'scene_obs': ((24,), np.float64),
            'actions': ((7,), np.float64), 'rel_actions': ((7,), np.float64)}


@pytest.mark.parametrize('killed', [False, True])
def test_statistics_are_those_of_all_frames_however_many_writers(tmp_path, killed) -> None:
    for steps in (9, 4):
        read_back(tmp_path, make_episode(steps, 33_333_333))
    if killed:  # before it counted an episode that the other files have already
        index = (tmp_path / 'ep_start_end_ids.npy').read_bytes()
        read_back(tmp_path, make_episode(5, 33_333_333))
        (tmp_path / 'ep_start_end_ids.npy').write_bytes(index)
        for number in range(15, 18):
            (tmp_path / f'episode_{number:07d}.npz').unlink()
    read_back(tmp_path, make_episode(2, 33_333_333))
    for name, size in (('robot_obs', 15), ('scene_obs', 24)):
        rows = np.array([np.load(path)[name] for path in sorted(tmp_path.glob('*.npz'))])
        assert rows.shape == (15, size)
        [entry] = yaml.safe_load((tmp_path / 'statistics.yaml').read_text())[name]
        assert entry['_target_'] == 'calvin_agent.utils.transforms.NormalizeVector'
        np.testing.assert_allclose(entry['mean'], rows.mean(0), atol=1e-12)
        np.testing.assert_allclose(entry['std'], rows.std(0), atol=1e-12)


def test_a_writer_refuses_broken_statistics_by_name(tmp_path) -> None:
    read_back(tmp_path, make_episode(2, 33_333_333))
    (tmp_path / 'statistics.yaml').write_text('robot_obs: []')
    with pytest.raises(InvalidDataError, match=r'statistics\.yaml: cannot be read'):
        CalvinWriter(tmp_path, SCENE)


@pytest.mark.parametrize('disturbed', [False, True])
def test_relative_actions_do_not_grow_with_the_lag_of_the_arm(tmp_path, disturbed) -> None:
    episode = make_episode(6, 33_333_333, disturbed)
    behind, moves = (episode.streams[name].values.copy() for name in (TOOL_POSE, ACTION))
    behind[1:, :3] -= 0.05
    moves[:, 3:6] = 0.0  # the tcp is elsewhere than the tool and swings when that turns
    stamps = episode.streams[ACTION].stamps_ns
    lagging = {TOOL_POSE: Stream(stamps, behind), ACTION: Stream(stamps, moves)}
    read_back(tmp_path, replace(episode, streams={**episode.streams, **lagging}))
    for row, move in enumerate(moves):
        with np.load(tmp_path / f'episode_{row:07d}.npz') as frame:
            np.testing.assert_allclose(
                frame['rel_actions'][:3], np.clip(50 * move[:3], -1, 1), atol=1e-5)


def test_a_slower_episode_makes_the_same_motion_at_30_hz(tmp_path) -> None:
    episode = make_episode(7, 83_333_333)
    [back] = read_back(tmp_path, episode)
    assert len(back.streams[ACTION]) == 16  # half a second and its first frame
    slow, fast = (accumulate(HOME, e.streams[ACTION].values) for e in (episode, back))
    # The last step has begun at the last frame and is 0.4 done a 30th of a second later.
    wanted = interpolate_pose(slow[-2], slow[-1], 0.4)
    assert max(pose_distance(fast[-1], wanted)) < 1e-5
    assert max(pose_distance(fast[5], slow[2])) < 1e-5  # steps end where they ended
    held = [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6]
    images = IMAGE_PREFIX + 'static'
    np.testing.assert_array_equal(
        back.streams[images].values, episode.streams[images].values[held])


def test_a_writer_goes_on_where_another_ended(tmp_path) -> None:
    episode = make_episode(3, 33_333_333)
    read_back(tmp_path, episode)
    (tmp_path / 'episode_0000003.npz').write_bytes(b'left by a killed writer')
    assert len(read_back(tmp_path, episode, episode)) == 3
    with pytest.raises(InvalidDataError, match='data set of calvin_scene_B, allowed'):
        CalvinWriter(tmp_path, 'calvin_scene_D')


def test_nothing_is_added_to_calvins_own_data(tmp_path) -> None:
    make_split(tmp_path / 'training', scene=SCENE)
    with pytest.raises(InvalidDataError, match='allowed a data set that this writer began'):
        CalvinWriter(tmp_path / 'training', SCENE)


@pytest.mark.parametrize('change, message', [
    ({'robot': 'ur5e'}, "robot 'ur5e' and task"),
    ({'task': ''}, "task '', allowed 'panda' and a task"),
    ({'streams': {}}, "no stream 'observation/state/tool_pose', allowed in the layout of CALVIN"),
])
def test_what_calvin_cannot_hold_is_refused_and_leaves_nothing(tmp_path, change, message) -> None:
    with pytest.raises(InvalidDataError, match=message):
        CalvinWriter(tmp_path, SCENE).write(replace(make_episode(3, 33_333_333), **change))
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]


def test_one_tactile_finger_is_refused(tmp_path) -> None:
    episode = make_episode(3, 33_333_333)
    left = Stream(episode.streams[ACTION].stamps_ns, np.zeros((3, 4, 4, 3), np.uint8))
    streams = {**episode.streams, 'observation/tactile/left': left}
    with pytest.raises(InvalidDataError, match=r'got only some of observation/tactile/left'):
        CalvinWriter(tmp_path, SCENE).write(replace(episode, streams=streams))


def test_an_unknown_scene_names_the_known(tmp_path) -> None:
    with pytest.raises(UnknownNameError, match='calvin_scene_A'):
        CalvinWriter(tmp_path, 'kitchen')
