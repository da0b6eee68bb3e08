"""Values survive the trip through their message bit for bit, also when serialised."""

from dataclasses import fields, is_dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('vla_interfaces.msg')

from rclpy.serialization import deserialize_message, serialize_message
from vla_core import types
from vla_core.errors import VlaError
from vla_core.ros import arrays, robot_msgs
from vla_core.ros.convert import from_msg, to_msg
from vla_core.ros.lockstep import Ack

stamps = st.integers(0, 2**31 * 10**9 - 1)
floats = st.floats(allow_nan=False, width=64)
names = st.text('abcdefghij_0123456789', min_size=1, max_size=20)
# A ROS string ends at its first NUL: the planner refuses control characters before that.
words = st.text(st.characters(codec='utf-8', exclude_characters='\x00'), max_size=60)
poses = hnp.arrays(np.float64, 7, elements=floats)
counts = st.integers(0, 2**16 - 1)


def vectors(size: int) -> st.SearchStrategy:
    return hnp.arrays(np.float64, size, elements=floats)


def pictures(dtype: type, channels: tuple[int, ...]) -> st.SearchStrategy:
    sides = st.tuples(st.integers(1, 5), st.integers(1, 5))
    shapes = sides.map(lambda side: side + channels)
    elements = st.integers(0, 255) if dtype is np.uint8 else st.floats(width=32, allow_nan=False)
    return st.dictionaries(names, hnp.arrays(dtype, shapes, elements=elements), max_size=3)


observations = st.builds(
    types.Observation, stamp_ns=stamps, episode_id=names, images=pictures(np.uint8, (3,)),
    joint_position=vectors(7), joint_velocity=vectors(7), tool_pose=poses, gripper=floats,
    depth=pictures(np.float32, ()), tactile=pictures(np.uint8, (3,)),
    wrench=st.none() | vectors(6), age_s=st.dictionaries(names, floats, max_size=4))
chunks = st.builds(
    types.ActionChunk, stamp_ns=stamps, sequence=counts, episode_id=names, subtask_id=names,
    source=names, representation=st.sampled_from(types.Representation), step_s=floats,
    values=hnp.arrays(np.float32, st.tuples(st.integers(1, 20), st.just(7)),
                      elements=st.floats(width=32, allow_nan=False)),
    progress=floats, inference_s=floats)
subtasks = st.builds(
    types.Subtask, subtask_id=names, episode_id=names, instruction=words, text=words,
    reasoning=words, index=counts, count=counts, ttl_s=floats, stamp_ns=stamps)
states = st.builds(
    types.SimState, stamp_ns=stamps, episode_id=names, task=names,
    objects=st.dictionaries(names, poses, max_size=4),
    joints=st.dictionaries(names, floats, max_size=3), tool_pose=poses, tool_target=poses,
    gripper=floats, gripper_target=floats, contacts=st.dictionaries(names, floats, max_size=3))
others = st.one_of(
    st.builds(types.ControlStatus, stamp_ns=stamps, mode=st.sampled_from(types.Mode),
              reason=words, source=names),
    st.builds(types.Tick, stamp_ns=stamps, tick=counts, episode_id=names, observe=st.booleans()),
    st.builds(types.TaskOutcome, stamp_ns=stamps, episode_id=names, task=names,
              success=st.booleans(), done=st.booleans(), reason=words, steps=counts),
    st.builds(Ack, stamp_ns=stamps, tick=counts, episode_id=names, node=names, sent=counts))


def same(first: object, second: object) -> bool:
    """Return whether two values are equal bit for bit."""
    if is_dataclass(first):
        return type(first) is type(second) and all(
            same(getattr(first, entry.name), getattr(second, entry.name))
            for entry in fields(first))
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and first.shape == second.shape and (
            first.tobytes() == second.tobytes())
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[k], second[k]) for k in first)
    return first == second


@settings(max_examples=60, deadline=None)
@given(st.one_of(observations, chunks, subtasks, states, others))
def test_value_survives_its_message_bit_for_bit(value: object) -> None:
    message = to_msg(value)
    assert same(value, from_msg(message))
    wire = deserialize_message(serialize_message(message), type(message))
    assert same(value, from_msg(wire))


@given(stamps)
def test_stamp_survives_its_message(stamp_ns: int) -> None:
    assert arrays.from_time(arrays.to_time(stamp_ns)) == stamp_ns


@settings(deadline=None)
@given(stamps, vectors(3), vectors(3), st.permutations(['a', 'b', 'c']))
def test_joint_order_of_the_message_does_not_matter(stamp_ns, position, velocity, order) -> None:
    message = robot_msgs.joint_state_to_msg(stamp_ns, ['a', 'b', 'c'], position, velocity)
    stamp, positions, velocities = robot_msgs.joint_state_from_msg(message, order)
    index = ['abc'.index(name) for name in order]
    assert stamp == stamp_ns
    assert same(positions, position[index]) and same(velocities, velocity[index])


@settings(deadline=None)
@given(stamps, poses)
def test_transform_survives_its_message(stamp_ns: int, pose: np.ndarray) -> None:
    message = robot_msgs.transforms_to_msg([('base', 'tool', stamp_ns, pose)])
    (parent, child, stamp, back), = robot_msgs.transforms_from_msg(message)
    assert (parent, child, stamp) == ('base', 'tool', stamp_ns) and same(back, pose)


def test_reading_an_image_copies_nothing() -> None:
    message = arrays.to_image(np.zeros((4, 6, 3), np.uint8), 0)
    view = arrays.from_image(message)
    message.data[0] = 7
    assert view[0, 0, 0] == 7


def test_padded_rows_and_blue_first_are_read() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    message = arrays.to_image(np.pad(image, ((0, 0), (0, 2), (0, 0))), 0)
    message.width = 4
    message.encoding = 'bgr8'
    assert np.array_equal(arrays.from_image(message), image[..., ::-1])


def test_malformed_messages_are_refused_with_what_and_allowed() -> None:
    image = arrays.to_image(np.zeros((4, 6, 3), np.uint8), 0)
    image.height = 5
    chunk = to_msg(types.ActionChunk(
        0, 0, '', '', '', types.Representation.EE_DELTA, 0.1, np.zeros((2, 7), np.float32), 0.0))
    chunk.rows = 3
    joints = robot_msgs.joint_state_to_msg(0, ['a'], np.zeros(1), np.zeros(1))
    for attempt in (lambda: arrays.from_image(image), lambda: from_msg(chunk),
                    lambda: robot_msgs.joint_state_from_msg(joints, ['a', 'b'])):
        with pytest.raises(VlaError, match=r'got .*allowed'):
            attempt()
