"""TF messages are read off the wire as rclpy reads them."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rclpy.serialization import serialize_message
from vla_core.errors import InvalidDataError
from vla_core.ros.robot_msgs import transforms_from_cdr, transforms_from_msg, transforms_to_msg

NAMES = st.text(st.characters(blacklist_characters='\0', blacklist_categories=('Cs',)),
                max_size=20)
POSES = st.lists(st.floats(allow_nan=False), min_size=7, max_size=7).map(np.array)
ENTRIES = st.lists(st.tuples(NAMES, NAMES, st.integers(0, 2**31 * 10**9 - 1), POSES), max_size=5)


@settings(deadline=None)
@given(ENTRIES)
def test_a_message_off_the_wire_is_the_decoded_message(entries: list[tuple]) -> None:
    message = transforms_to_msg(entries)
    read, told = transforms_from_cdr(serialize_message(message)), transforms_from_msg(message)
    assert [entry[:3] for entry in read] == [entry[:3] for entry in told]
    assert all(one[3].tobytes() == other[3].tobytes() for one, other in zip(read, told))


@settings(deadline=None)
@given(ENTRIES.filter(bool), st.data())
def test_a_message_cut_short_is_refused(entries: list[tuple], data: st.DataObject) -> None:
    whole = serialize_message(transforms_to_msg(entries))
    last = len(whole) - 4 - 56  # less than what the last pose takes, and rclpy's padding
    with pytest.raises(InvalidDataError, match='allowed a TFMessage'):
        transforms_from_cdr(whole[:data.draw(st.integers(4, last))])
