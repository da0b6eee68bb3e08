"""Laws of the recorder under load: nothing is dropped; skipped where no ROS is set up."""

import pytest
from vla_bringup.benchmarks.record_pictures import CYCLE, frames
from vla_core.errors import VlaError


def test_the_frames_of_a_cycle_differ_and_come_back_by_the_seed():
    cycle = frames(1)[0]
    assert len({frame.tobytes() for frame in cycle}) == CYCLE
    assert (frames(1)[0] == cycle).all()


def test_three_cameras_and_fast_joints_are_recorded_without_a_drop():
    pytest.importorskip('vla_interfaces.srv')
    from vla_bringup.benchmarks import record
    rows = record.run(2.0, None)
    assert [name.split(',')[0] for name in rows] == ['mcap', 'lerobot']
    for figures in rows.values():
        assert figures['dropped'] == 0
        assert figures['joints_kept'] == figures['joints_sent'] > 0
        assert figures['frames_sent'] - figures['frames_kept'] <= 3  # before the first joints


def test_no_time_to_record_is_refused():
    from vla_bringup.benchmarks import record
    with pytest.raises(VlaError, match='--seconds: got 0'):
        record.run(0.0, None)
