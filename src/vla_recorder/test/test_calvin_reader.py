"""Laws of reading CALVIN's data sets, on files made as its own scripts make them."""

from pathlib import Path
import shutil

from made_up_calvin import annotate, FIRST, make_split, SENTENCE
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from vla_core.episode import ACTION, GRIPPER, JOINT_POSITION, JOINT_VELOCITY, PROGRESS, TOOL_POSE
from vla_core.errors import InvalidDataError
from vla_core.geometry import compose, inverse, rotate
from vla_recorder.calvin.layout import T_WORLD_BASE
from vla_recorder.calvin.reader import CalvinSplit, Segment
from vla_recorder.calvin.vectors import Placement


@pytest.fixture(scope='module')
def made(tmp_path_factory) -> tuple[Path, list[dict[str, np.ndarray]]]:
    folder = tmp_path_factory.mktemp('task_D_D') / 'training'
    return folder, make_split(folder)


@pytest.fixture
def folder(made, tmp_path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(made[0], tmp_path / 'training'))


def test_every_segment_becomes_an_episode(made) -> None:
    split = CalvinSplit(made[0])
    episodes = [split.read(segment) for segment in split.segments]
    assert [len(e.streams[ACTION]) for e in episodes] == [6, 8]
    assert [e.episode_id for e in episodes] == [
        'calvin-0358482-0358487', 'calvin-0358486-0358493']
    for episode in episodes:
        assert (episode.task, episode.instruction) == ('move_slider_left', SENTENCE)
        assert (episode.robot, episode.success) == ('panda', True)
        assert episode.meta['scene'] == 'calvin_scene_D'
        assert episode.subtasks[0].text == SENTENCE
        assert episode.streams[PROGRESS].values[-1] == 1.0


def test_pictures_are_bit_for_bit_those_of_the_frames(made) -> None:
    folder, frames = made
    split = CalvinSplit(folder)
    streams = split.read(split.segments[1]).streams
    tactile = np.stack([frame['rgb_tactile'] for frame in frames[4:]])
    wanted = {
        'observation/images/static': np.stack([frame['rgb_static'] for frame in frames[4:]]),
        'observation/images/wrist': np.stack([frame['rgb_gripper'] for frame in frames[4:]]),
        'observation/tactile/left': tactile[..., :3],
        'observation/tactile/right': tactile[..., 3:],
        'observation/depth/static': np.stack([frame['depth_static'] for frame in frames[4:]]),
        'observation/tactile_depth/right':
            np.stack([frame['depth_tactile'] for frame in frames[4:]])[..., 1]}
    for name, value in wanted.items():
        np.testing.assert_array_equal(streams[name].values, value)
        assert streams[name].values.dtype == value.dtype


def test_stamps_are_frame_numbers_at_30_hz(made) -> None:
    split = CalvinSplit(made[0])
    stamps = split.read(split.segments[0]).streams[ACTION].stamps_ns
    np.testing.assert_allclose(stamps / 1e9 * 30, FIRST + np.arange(6), atol=1e-6)


def test_vectors_are_in_the_base_frame(made) -> None:
    folder, frames = made
    split = CalvinSplit(folder)
    streams = split.read(split.segments[0]).streams
    for row, frame in enumerate(frames[:6]):
        robot, tool = frame['robot_obs'], streams[TOOL_POSE].values[row]
        tip = tool[:3] + rotate(tool[3:], np.array([0.0, 0.0, 0.0366]))
        np.testing.assert_allclose(tip + T_WORLD_BASE[:3], robot[:3], atol=1e-9)
        np.testing.assert_allclose(
            Rotation.from_quat(tool[3:]).as_matrix(),
            Rotation.from_euler('xyz', robot[3:6]).as_matrix(), atol=1e-9)
        np.testing.assert_allclose(streams[GRIPPER].values[row] * 0.08, robot[6])
        np.testing.assert_allclose(streams[JOINT_POSITION].values[row], robot[7:14])
        block = streams['sim/objects/blue_block'].values[row]
        np.testing.assert_allclose(block[:3] + T_WORLD_BASE[:3], frame['scene_obs'][12:15])
        assert streams['sim/joints/led'].values[row] == frame['scene_obs'][5]
    speed = streams[JOINT_VELOCITY].values[3]
    np.testing.assert_allclose(
        speed / 30.0, frames[3]['robot_obs'][7:14] - frames[2]['robot_obs'][7:14])


def test_an_action_leads_from_frame_to_frame(made) -> None:
    split = CalvinSplit(made[0])
    streams = split.read(split.segments[0]).streams
    tool, action = streams[TOOL_POSE].values, streams[ACTION].values
    np.testing.assert_allclose(tool[0, :3] + np.cumsum(action[:, :3], 0)[:-1], tool[1:, :3],
                               atol=1e-6)
    np.testing.assert_array_equal(action[:, 6], [1, 1, 1, 1, 1, 0])


def test_the_placement_of_the_base_is_the_callers(made) -> None:
    split = CalvinSplit(made[0])
    turned = np.array([1.0, 0.0, 0.0, 0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)])
    other = CalvinSplit(made[0], Placement(T_world_base=turned))
    pose = split.read(split.segments[0]).streams[TOOL_POSE].values[0]
    wanted = compose(compose(inverse(turned), T_WORLD_BASE), pose)
    got = other.read(other.segments[0]).streams[TOOL_POSE].values[0]
    np.testing.assert_allclose(got[:3], wanted[:3], atol=1e-12)


@pytest.mark.parametrize('vectors', [np.float32, np.float64])
def test_both_float_types_are_read(tmp_path, vectors) -> None:
    make_split(tmp_path / 'training', frames=6, vectors=vectors)
    split = CalvinSplit(tmp_path / 'training')
    assert split.read(split.recordings[0]).streams[TOOL_POSE].values.dtype == np.float64


def test_another_scene_has_its_own_order_of_blocks(tmp_path) -> None:
    frames = make_split(tmp_path / 'training', frames=6, scene='calvin_scene_A')
    split = CalvinSplit(tmp_path / 'training')
    pink = split.read(split.segments[0]).streams['sim/objects/pink_block'].values
    np.testing.assert_allclose(
        pink[0, :3] + T_WORLD_BASE[:3], frames[0]['scene_obs'][6:9])


def test_a_recording_is_cut_into_pieces_that_miss_no_frame(made) -> None:
    split = CalvinSplit(made[0])
    pieces = split.cut(split.recordings[0], 5)
    assert [len(piece) for piece in pieces] == [5, 5, 2]
    episode = split.read(pieces[-1])
    assert (episode.task, episode.success, episode.subtasks) == ('', None, ())
    assert PROGRESS not in episode.streams


def test_only_the_named_streams_are_read(made) -> None:
    split = CalvinSplit(made[0])
    assert split.read(split.segments[0], [ACTION]).streams.keys() == {ACTION}
    with pytest.raises(InvalidDataError, match="no stream 'actoin'"):
        split.read(split.segments[0], ['actoin'])


def broken(folder: Path, number: int, **changes: np.ndarray | None) -> Path:
    path = folder / f'episode_{number:07d}.npz'
    with np.load(path) as file:
        frame = {**dict(file), **changes}
    np.savez(path, **{key: value for key, value in frame.items() if value is not None})
    return path


def assert_refused(folder: Path, message: str) -> None:
    """The last segment is refused in one line, the first can still be read."""
    split = CalvinSplit(folder)
    with pytest.raises(InvalidDataError, match=message) as error:
        split.read(split.segments[-1])
    assert '\n' not in str(error.value)
    split.read(split.segments[0])


@pytest.mark.parametrize('keep', [0, 100, 3000, -30])
def test_a_truncated_frame_is_refused_by_name(folder, keep) -> None:
    path = folder / f'episode_{FIRST + 9:07d}.npz'
    path.write_bytes(path.read_bytes()[:keep])
    assert_refused(folder, rf'{path.name}: not a readable frame')


def test_a_damaged_array_is_refused_by_name(folder) -> None:
    path = folder / f'episode_{FIRST + 9:07d}.npz'
    data = bytearray(path.read_bytes())
    data[200:260] = bytes(60)  # within the first array, packed
    path.write_bytes(data)
    assert_refused(folder, rf'{path.name}: .* cannot be read')


def test_a_gap_in_the_numbers_is_refused_by_name(folder) -> None:
    (folder / f'episode_{FIRST + 8:07d}.npz').unlink()
    assert_refused(folder, r'episode_0358490\.npz: no such frame, allowed .* without a gap')


@pytest.mark.parametrize('changes, message', [
    ({'robot_obs': None}, "got no 'robot_obs'"),
    ({'robot_obs': np.zeros(16)}, r"got 'robot_obs' float64 \(16,\), allowed float \(15\)"),
    ({'actions': np.full(7, np.nan)}, "got 'actions' with a non-finite number"),
    ({'rgb_static': np.zeros((20, 20, 3))}, r"got 'rgb_static' float64 .* allowed uint8"),
    ({'rgb_static': np.zeros((9, 9, 3), np.uint8)}, r'\(9, 9, 3\), allowed \(20, 20, 3\)'),
    ({'scene_obs': np.array([{}], object)}, "'scene_obs' cannot be read .*pickle"),
])
def test_a_wrong_array_is_refused_by_name(folder, changes, message) -> None:
    path = broken(folder, FIRST + 9, **changes)
    assert_refused(folder, rf'{path.name}.*{message}')


@pytest.mark.parametrize('window', [
    (FIRST + 6, FIRST + 12), (FIRST - 1, FIRST + 2), (FIRST + 5, FIRST + 3)])
def test_a_window_outside_the_recordings_is_refused(folder, window) -> None:
    annotate(folder, [(FIRST, FIRST + 5), window])
    assert_refused(folder, rf'auto_lang_ann\.npy: got frames {window[0]} to {window[1]}')


def test_annotations_of_unequal_length_are_refused_by_name(folder) -> None:
    np.save(folder / 'lang_annotations' / 'auto_lang_ann.npy', {
        'language': {'ann': ['a'], 'task': []}, 'info': {'indx': [(0, 1)]}})
    with pytest.raises(InvalidDataError, match=r'auto_lang_ann\.npy: got annotations without'):
        CalvinSplit(folder).segments  # noqa: B018


def test_an_unknown_scene_is_refused_by_name(folder) -> None:
    np.save(folder / 'scene_info.npy', {'kitchen': [FIRST, FIRST + 11]})
    with pytest.raises(InvalidDataError, match=r"scene_info\.npy: got scene 'kitchen', allowed"):
        split = CalvinSplit(folder)
        split.read(Segment(FIRST, FIRST))


def test_without_scene_info_it_is_the_scene_of_validation(folder) -> None:
    (folder / 'scene_info.npy').unlink()
    split = CalvinSplit(folder)
    assert split.read(split.segments[0]).meta['scene'] == 'calvin_scene_D'
