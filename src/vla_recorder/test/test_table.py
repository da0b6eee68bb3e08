"""Laws of the one table of frames and of the way back from it."""

from dataclasses import replace

from made_up_episodes import assert_equal, make_episode, make_images, make_multirate_episode
import numpy as np
import pytest
from vla_core.episode import ACTION, Episode, IMAGE_PREFIX, JOINT_POSITION, Stream, TOOL_POSE
from vla_core.errors import InvalidDataError
from vla_core.lazy import is_lazy, take
from vla_core.spec import load_robot, StreamSpec
from vla_recorder.table import is_picture, restore, rules_of, tabulate

STATIC = IMAGE_PREFIX + 'static'
PANDA = rules_of(load_robot('panda'))


def ticks(rate_hz: float, seconds: float, start_s: float = 0.0) -> np.ndarray:
    return ((start_s + np.arange(round(rate_hz * seconds)) / rate_hz) * 1e9).astype(np.int64)


def stream(stamps: np.ndarray) -> Stream:
    """Return numbers that tell their own time [s]."""
    return Stream(stamps, (stamps / 1e9)[:, None])


def pictures(stamps: np.ndarray) -> Stream:
    return Stream(stamps, make_images(len(stamps), 4, 6))


def episode(**streams: Stream) -> Episode:
    names = {'action': ACTION, 'joints': JOINT_POSITION, 'static': STATIC}
    return Episode('e', 'panda', '', 'do it', {names[k]: s for k, s in streams.items()})


def without(times: Stream, start_s: float, end_s: float) -> Stream:
    rows = np.flatnonzero((times.stamps_ns < start_s * 1e9) | (times.stamps_ns >= end_s * 1e9))
    return Stream(times.stamps_ns[rows], take(times.values, rows))


def test_streams_of_one_rate_are_the_table_as_they_are() -> None:
    made = make_episode(steps=5)
    table = tabulate(made, PANDA)
    assert not table.beside and not table.age_s and not table.shown_ns and not table.dropped
    for name, stream_ in made.streams.items():
        assert table.columns[name] is stream_.values
    assert_equal(replace(made, streams=restore(table)), made)


def test_three_rates_meet_at_the_stamps_of_the_action() -> None:
    action = stream(ticks(30, 2))
    made = episode(action=action, static=pictures(ticks(100, 2)), joints=stream(ticks(1000, 2)))
    table = tabulate(made, PANDA)
    assert table.stamps_ns.tobytes() == action.stamps_ns.tobytes()
    assert {len(v) for v in table.columns.values()} == {60}
    # Interpolated numbers that tell their time tell that of the instant.
    np.testing.assert_allclose(table.columns[JOINT_POSITION], action.values, atol=1e-12)
    assert table.age_s[STATIC].max() <= 0.0051 and table.age_s[JOINT_POSITION].max() <= 0.00051
    assert set(table.beside) == {JOINT_POSITION} and not table.dropped


def test_a_picture_keeps_the_stamp_of_the_sample_shown() -> None:
    camera = pictures(ticks(100, 2))
    table = tabulate(episode(action=stream(ticks(30, 2)), static=camera), PANDA)
    rows = np.searchsorted(camera.stamps_ns, table.shown_ns[STATIC])
    np.testing.assert_array_equal(table.columns[STATIC], camera.values[rows])
    assert np.abs(table.shown_ns[STATIC] - table.stamps_ns).max() <= 5_000_000


def test_slow_pictures_shown_twice_come_back_once() -> None:
    made = episode(action=stream(ticks(30, 2)), static=pictures(ticks(10, 2)))
    assert_equal(replace(made, streams=restore(tabulate(made, PANDA))), made)


def test_what_was_recorded_comes_back_bit_for_bit() -> None:
    made = make_multirate_episode()
    got = restore(tabulate(made, PANDA))
    for name, stream_ in made.streams.items():
        kept = np.isin(stream_.stamps_ns, got[name].stamps_ns)
        assert kept.all() or is_picture(name)
        assert got[name].stamps_ns.tobytes() == stream_.stamps_ns[kept].tobytes()
        assert got[name].values.tobytes() == stream_.values[kept].tobytes()


def test_a_late_start_leaves_frames_out_but_loses_no_number() -> None:
    made = episode(action=stream(ticks(10, 3)), static=pictures(ticks(10, 2, 1.0)),
                   joints=stream(ticks(1000, 2.5, 0.5)))
    table = tabulate(made, PANDA)
    assert table.dropped == 9 and table.stamps_ns[0] == 900_000_000  # nearest, within 0.15 s
    got = restore(table)
    assert_equal(replace(made, streams=got), made)


@pytest.mark.parametrize('mode', ['hold', 'nearest', 'interpolate', 'drop'])
def test_no_frame_is_made_of_samples_across_a_drop_out(mode: str) -> None:
    joints = without(stream(ticks(100, 3)), 1.0, 2.0)
    table = tabulate(episode(action=stream(ticks(50, 3)), joints=joints),
                     {JOINT_POSITION: StreamSpec(mode, 0.1)})
    far = np.abs(table.columns[JOINT_POSITION][:, 0] - table.stamps_ns / 1e9)
    assert far.max() <= 0.1 + 1e-9
    assert 40 <= table.dropped <= 50
    assert np.isin(ticks(50, 1), table.stamps_ns).all()  # all before the gap


def test_an_instant_at_a_sample_needs_no_other_sample() -> None:
    joints = Stream(np.array([0, 10**10]), np.array([[1.0], [2.0]]))
    table = tabulate(episode(action=stream(np.array([0, 10**10])), joints=joints), PANDA)
    assert not table.dropped
    acting = stream(np.array([0, 10**9, 10**10]))
    table = tabulate(episode(action=acting, joints=joints), PANDA)
    assert table.stamps_ns.tolist() == [0, 10**10]


def test_nothing_holds_a_sample_before_the_first() -> None:
    made = episode(action=stream(ticks(10, 2)), joints=stream(ticks(100, 1, 1.0)))
    for mode in ('hold', 'interpolate', 'drop'):
        table = tabulate(made, {JOINT_POSITION: StreamSpec(mode, 0.5)})
        assert table.stamps_ns[0] == 10**9


def test_streams_nobody_observes_never_cost_a_frame() -> None:
    made = episode(action=stream(ticks(10, 3)))
    rare = stream(ticks(1, 2, 0.05))
    made = replace(made, streams={**made.streams, 'action/proposed': rare, 'status/mode': rare})
    table = tabulate(made)
    assert len(table.stamps_ns) == 30 and set(table.columns) == {ACTION}
    assert_equal(replace(made, streams=restore(table)), made)


def test_an_empty_stream_comes_back_empty() -> None:
    made = episode(action=stream(ticks(10, 1)), joints=stream(ticks(1, 0)),
                   static=pictures(ticks(1, 0)))
    assert_equal(replace(made, streams=restore(tabulate(made))), made)


def test_without_an_action_the_first_camera_tells_the_instants() -> None:
    made = episode(static=pictures(ticks(30, 1)), joints=stream(ticks(1000, 1)))
    assert tabulate(made).stamps_ns.tobytes() == made.streams[STATIC].stamps_ns.tobytes()


def test_neither_action_nor_camera_is_refused() -> None:
    with pytest.raises(InvalidDataError, match='episode e: got no action and no camera'):
        tabulate(episode(joints=stream(ticks(10, 1))))


def test_streams_that_never_meet_are_refused() -> None:
    made = episode(action=stream(ticks(10, 1)), joints=stream(ticks(10, 1, 7.0)))
    with pytest.raises(InvalidDataError, match='episode e: got no instant'):
        tabulate(made)


def test_pictures_stay_in_their_file_and_are_never_blended(tmp_path) -> None:
    h5py = pytest.importorskip('h5py')
    depth = np.arange(20 * 6, dtype=np.float32).reshape(20, 2, 3)
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        file['depth'] = depth
        file['joints'] = (ticks(100, 2) / 1e9)[:, None]
        name = 'observation/depth/static'
        made = Episode('e', 'panda', '', '', {
            ACTION: stream(ticks(30, 1.9)), name: Stream(ticks(10, 2), file['depth']),
            JOINT_POSITION: Stream(ticks(100, 2), file['joints'])})
        table = tabulate(made, {**PANDA, name: StreamSpec('interpolate', 0.2)})
        assert is_lazy(table.columns[name]) and not is_lazy(table.columns[JOINT_POSITION])
        assert np.isin(table.columns[name][:], depth).all()
        np.testing.assert_array_equal(restore(table)[name].values[:], depth[:19])


def test_a_turning_tool_stays_a_rotation_between_samples() -> None:
    angles = np.linspace(0, 3, 20)
    poses = np.stack([0 * angles] * 5 + [np.sin(angles / 2), np.cos(angles / 2)], -1)
    made = Episode('e', 'panda', '', '', {
        ACTION: stream(ticks(30, 1)), TOOL_POSE: Stream(ticks(20, 1), poses)})
    turned = tabulate(made, PANDA).columns[TOOL_POSE]
    np.testing.assert_allclose(np.linalg.norm(turned[:, 3:], axis=1), 1.0)


@pytest.mark.parametrize(('rate', 'count'), [(30, 30), (1000, 30), (100, 30), (29, 29), (10, 10)])
def test_a_wanted_rate_thins_what_is_much_faster(rate: int, count: int) -> None:
    made = episode(action=stream(ticks(rate, 1)), joints=stream(ticks(1000, 1)))
    table = tabulate(made, PANDA, fps=30)
    assert len(table.stamps_ns) == count
    assert np.isin(table.stamps_ns, made.streams[ACTION].stamps_ns).all()
    np.testing.assert_allclose(table.columns[ACTION][:, 0], table.stamps_ns / 1e9)
    assert_equal(replace(made, streams=restore(table)), made)


@pytest.mark.parametrize('fps', ['30', 0, -1, 2.5, True])
def test_a_rate_that_is_none_is_refused(fps: object) -> None:
    made = replace(episode(action=stream(ticks(10, 1))), meta={'table/fps': fps})
    with pytest.raises(InvalidDataError, match='meta table/fps: got'):
        tabulate(made)


def test_the_rules_of_a_robot_name_the_streams_of_an_episode() -> None:
    assert PANDA[STATIC].align == 'nearest' and PANDA[TOOL_POSE].align == 'interpolate'
    assert PANDA['observation/depth/wrist'] == PANDA[IMAGE_PREFIX + 'wrist']
    assert {'observation/tactile/left', 'observation/state/wrench', JOINT_POSITION} <= set(PANDA)
