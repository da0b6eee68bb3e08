"""Stamps of sensor messages, which may not go back."""

from collections.abc import Mapping
import struct

from vla_bringup.replay.sensors import JOINTS, TF
from vla_core.errors import InvalidDataError
from vla_recorder.bag.source import Data
from vla_recorder.bag.types import decode, standard_types
from vla_recorder.recording.raw_channels import Channel, Stamp, stamp_ns

_NO_TRANSFORM = 8  # bytes of a TF message without entries
JUMP_NS = 500_000_000  # transforms may come late, by less than what resets a buffer


class StampOrder:
    """Reads the stamp of every message and refuses one that is older than its predecessor.

    Parts of the robot that share `joint_states` each keep their own order, and so do the
    publishers of `tf`, told apart by the first frame of their messages, which may also come late
    by less than half a second.
    """

    def __init__(self, sensors: Mapping[str, Channel]) -> None:
        self._sensors = sensors
        self._newest: dict[tuple[str, str], int] = {}  # (topic, part) -> stamp [ns]

    def check(self, topic: str, data: Data) -> int | None:
        """Return the stamp [ns], None where the type has none; raise InvalidDataError."""
        channel = self._sensors[topic]
        if channel.stamp is Stamp.NONE or (topic == TF and len(data) <= _NO_TRANSFORM):
            return None
        stamp = stamp_ns(channel, bytes(data[:64]), 0)
        for part in self._parts(channel, data):
            newest = self._newest.get((topic, part), stamp)
            if stamp < newest - (JUMP_NS if topic == TF else 0):
                raise InvalidDataError(
                    f'topic {topic}: got stamp {stamp} after {newest} ns, allowed increasing')
            self._newest[topic, part] = max(stamp, newest)
        return stamp

    def _parts(self, channel: Channel, data: Data) -> tuple[str, ...]:
        if channel.topic == TF:
            return (_first_child(bytes(data)),)
        if channel.topic != JOINTS:
            return ('',)
        message = decode(standard_types(), data, channel.kind)
        return (' '.join(message.name),)


def _first_child(data: bytes) -> str:
    """Return the child frame of the first transform in a TF message."""
    order = '<I' if data[1] else '>I'
    at = 16  # encapsulation, length of the sequence, stamp
    length, = struct.unpack_from(order, data, at)
    at += 4 + length
    at += -at % 4
    length, = struct.unpack_from(order, data, at)
    return data[at + 4:at + 3 + length].decode('utf-8', 'replace')
