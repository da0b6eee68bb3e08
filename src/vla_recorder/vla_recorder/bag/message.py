"""Values of an episode's streams as standard ROS messages, and the way back.

Pictures are sensor_msgs/Image, joints JointState, the tool PoseStamped, the wrench
WrenchStamped. Any other array is the std_msgs/..MultiArray of its own dtype, since no standard
message has both a header and arrays of every type; its stamp is the log time, which for every
message of ours is the stamp of the stream. What a topic carries stands in its channel's
metadata, so a reader needs no table of names, and a cut file explains itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
import json
import re
from typing import Any

import numpy as np
from vla_core.episode import JOINT_POSITION, JOINT_VELOCITY, TOOL_POSE, WRENCH
from vla_core.errors import InvalidDataError
from vla_recorder.bag.fields import Take, taker
from vla_recorder.bag.images import IMAGE
from vla_recorder.bag.types import decode, standard_definition, standard_hash, standard_types
from vla_recorder.table import is_picture

STREAMS_KEY = 'vla_streams'  # of the channel's metadata
JOINT_STATE = 'sensor_msgs/msg/JointState'
POSE = 'geometry_msgs/msg/PoseStamped'
WRENCH_STAMPED = 'geometry_msgs/msg/WrenchStamped'
STRING = 'std_msgs/msg/String'
LAST_NS = (1 << 31) * 10**9  # the stamp of a message holds no later instant [ns]
_ENCODINGS = {('|u1', 3): 'rgb8', ('|u1', 1): 'mono8', ('<u2', 1): '16UC1', ('<f4', 1): '32FC1'}
_ARRAYS = {
    'f4': 'Float32', 'f8': 'Float64', 'i1': 'Int8', 'i2': 'Int16', 'i4': 'Int32', 'i8': 'Int64',
    'u1': 'UInt8', 'u2': 'UInt16', 'u4': 'UInt32', 'u8': 'UInt64', 'b1': 'UInt8', 'f2': 'UInt16'}


@dataclass(frozen=True)
class Encoder:
    """Makes the messages of one topic."""

    topic: str
    type_name: str
    takes: tuple[Take, ...]  # the streams inside, in the order of `encode`'s values
    encode: Callable[..., bytes | memoryview]  # (stamp [ns], *values) -> CDR

    @property
    def definition(self) -> str:
        """Text of the type."""
        return standard_definition(self.type_name)

    @property
    def metadata(self) -> dict[str, str]:
        """Metadata of the channel."""
        return channel_metadata(self.type_name, self.takes)


def channel_metadata(type_name: str, takes: Sequence[Take]) -> dict[str, str]:
    """Return what a channel of ours says of itself: to rosbag2, and to our reader."""
    told = {'offered_qos_profiles': '', 'topic_type_hash': standard_hash(type_name)}
    if takes:
        told[STREAMS_KEY] = json.dumps([asdict(take) for take in takes])
    return told


def takes_of(metadata: Mapping[str, str]) -> tuple[Take, ...]:
    """Return the streams that a channel's metadata declares; raise InvalidDataError."""
    try:
        told = json.loads(metadata.get(STREAMS_KEY, '[]'))
        takes = tuple(Take(**{
            key: tuple(value) if isinstance(value, list) else value
            for key, value in take.items()}) for take in told)
        for take in takes:
            taker(take)  # says what is wrong with it
        return takes
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidDataError(
            f'got metadata {STREAMS_KEY} that is not ours ({error}), allowed a list of streams'
        ) from error


def topic_of(stream: str) -> str:
    """Return a valid ROS topic for a stream's name."""
    parts = (re.sub(r'\W', '_', part, flags=re.ASCII) for part in stream.split('/') if part)
    return ''.join(f'/{"" if part[0].isalpha() or part[0] == "_" else "_"}{part}'
                   for part in parts)


def encoder_of(stream: str, dtype: np.dtype, shape: tuple[int, ...],
               joints: Sequence[str] = ()) -> Encoder:
    """Return how values (shape) of one stream become messages."""
    encoding = _ENCODINGS.get((dtype.str, shape[2] if len(shape) == 3 else 1))
    vector = dtype == np.float64 and len(shape) == 1
    if is_picture(stream) and len(shape) in (2, 3) and encoding:
        return _of_pictures(stream, dtype, shape, encoding)
    if stream in (JOINT_POSITION, JOINT_VELOCITY) and vector:
        return joint_encoder((stream,), shape[0], joints)
    if stream == TOOL_POSE and vector and shape == (7,):
        return _of_poses(stream)
    if stream == WRENCH and vector and shape == (6,):
        return _of_wrenches(stream)
    return _of_arrays(stream, dtype, shape)


def joint_encoder(streams: tuple[str, ...], count: int, joints: Sequence[str] = ()) -> Encoder:
    """Return how positions, velocities or both become one JointState."""
    types = standard_types().types
    names = list(joints) if len(joints) == count else [f'joint_{k + 1}' for k in range(count)]
    fields = tuple('position' if s == JOINT_POSITION else 'velocity' for s in streams)

    def encode(stamp_ns: int, *values: np.ndarray) -> memoryview:
        given = {'position': np.empty(0), 'velocity': np.empty(0), **dict(zip(fields, values))}
        message = types[JOINT_STATE](
            header=_header(stamp_ns, ''), name=names, effort=np.empty(0), **given)
        return standard_types().serialize_cdr(message, JOINT_STATE)

    takes = tuple(Take(s, (f,), shape=(count,)) for s, f in zip(streams, fields))
    topic = '/joint_states' if JOINT_POSITION in streams else '/joint_velocities'
    return Encoder(topic, JOINT_STATE, takes, encode)


def text_encoder(topic: str) -> Encoder:
    """Return how text becomes messages."""
    def encode(stamp_ns: int, text: str) -> memoryview:
        del stamp_ns
        plain = text.encode('utf-8', 'replace').decode().replace('\0', ' ')
        message = standard_types().types[STRING](data=plain)
        return standard_types().serialize_cdr(message, STRING)

    return Encoder(topic, STRING, (), encode)


def text_in(data: bytes | memoryview) -> str:
    """Return the text of a std_msgs/String."""
    return decode(standard_types(), data, STRING).data


def check_stamp(what: str, stamp_ns: int) -> None:
    """Raise InvalidDataError for an instant that a ROS stamp cannot hold."""
    if not 0 <= stamp_ns < LAST_NS:
        raise InvalidDataError(f'{what}: got stamp {stamp_ns} ns, allowed 0 to {LAST_NS - 1}')


def _of_pictures(
    stream: str, dtype: np.dtype, shape: tuple[int, ...], encoding: str,
) -> Encoder:
    kind = standard_types().types[IMAGE]
    height, width = shape[:2]
    step = width * dtype.itemsize * (shape[2] if len(shape) == 3 else 1)
    frame = stream.rsplit('/', 1)[-1]

    def encode(stamp_ns: int, picture: np.ndarray) -> memoryview:
        flat = np.ascontiguousarray(picture).reshape(-1).view(np.uint8)
        message = kind(header=_header(stamp_ns, frame), height=height, width=width,
                       encoding=encoding, is_bigendian=0, step=step, data=flat)
        return standard_types().serialize_cdr(message, IMAGE)

    return Encoder(topic_of(stream), IMAGE, (Take(stream, (), dtype.str, shape),), encode)


def _of_poses(stream: str) -> Encoder:
    types = standard_types().types

    def encode(stamp_ns: int, pose: np.ndarray) -> memoryview:
        x, y, z, *turn = pose.tolist()
        tool = types['geometry_msgs/msg/Pose'](
            position=types['geometry_msgs/msg/Point'](x, y, z),
            orientation=types['geometry_msgs/msg/Quaternion'](*turn))
        message = types[POSE](header=_header(stamp_ns, 'base'), pose=tool)
        return standard_types().serialize_cdr(message, POSE)

    return Encoder('/tool_pose', POSE, (Take(stream, ('pose',), shape=(7,)),), encode)


def _of_wrenches(stream: str) -> Encoder:
    types = standard_types().types
    vector = types['geometry_msgs/msg/Vector3']

    def encode(stamp_ns: int, wrench: np.ndarray) -> memoryview:
        numbers = wrench.tolist()
        message = types[WRENCH_STAMPED](
            header=_header(stamp_ns, 'tool'), wrench=types['geometry_msgs/msg/Wrench'](
                force=vector(*numbers[:3]), torque=vector(*numbers[3:])))
        return standard_types().serialize_cdr(message, WRENCH_STAMPED)

    return Encoder('/wrench', WRENCH_STAMPED, (Take(stream, ('wrench',), shape=(6,)),), encode)


def _of_arrays(stream: str, dtype: np.dtype, shape: tuple[int, ...]) -> Encoder:
    types = standard_types().types
    name = _ARRAYS.get(dtype.str[1:], 'UInt8')  # what no message has is kept byte by byte
    type_name = f'std_msgs/msg/{name}MultiArray'
    carrier = np.dtype(name.lower())
    dimension = types['std_msgs/msg/MultiArrayDimension']
    strides = [int(np.prod(shape[k:], dtype=int)) for k in range(len(shape))]
    layout = types['std_msgs/msg/MultiArrayLayout'](data_offset=0, dim=[
        dimension(label=f'axis_{k}', size=size, stride=stride)
        for k, (size, stride) in enumerate(zip(shape, strides))])

    def encode(stamp_ns: int, value: np.ndarray) -> memoryview:
        del stamp_ns
        native = np.ascontiguousarray(value, dtype.newbyteorder('='))
        data = native.reshape(-1).view(carrier)
        message = types[type_name](layout=layout, data=data)
        return standard_types().serialize_cdr(message, type_name)

    take = Take(stream, ('data',), dtype.str, shape, carrier=carrier.str)
    return Encoder(topic_of(stream), type_name, (take,), encode)


def _header(stamp_ns: int, frame: str) -> Any:
    types = standard_types().types
    seconds, nanoseconds = divmod(int(stamp_ns), 10**9)
    return types['std_msgs/msg/Header'](
        stamp=types['builtin_interfaces/msg/Time'](sec=seconds, nanosec=nanoseconds),
        frame_id=frame)
