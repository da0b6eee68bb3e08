"""The transforms a node hears: tf2's buffer where ROS brings it, the suite's own elsewhere."""

import numpy as np
from rclpy.duration import Duration
from rclpy.time import Time
from tf2_msgs.msg import TFMessage
from vla_core.errors import VlaError
from vla_core.frames import FrameBuffer, TooNewError, UnknownFrameError
from vla_core.ros.robot_msgs import pose_from_transform, transforms_from_cdr

try:
    import tf2_ros
except ImportError:  # ROS from wheels has no tf2
    tf2_ros = None

MAX_AGE_S = 10.0


class OwnFrames(FrameBuffer):
    """FrameBuffer, fed by TF messages as they come over the wire."""

    raw = True

    def feed(self, message: bytes, static: bool = False) -> None:
        """Take every transform of a message of /tf, or of /tf_static, in CDR."""
        for parent, child, stamp_ns, pose in transforms_from_cdr(message):
            if static:
                self.set_static(parent, child, pose)
            else:
                self.set(parent, child, stamp_ns, pose)


class Tf2Frames:
    """tf2_ros.Buffer with the lookups and errors of FrameBuffer."""

    raw = False  # tf2 takes messages

    def __init__(self, max_age_s: float = MAX_AGE_S) -> None:
        self._buffer = tf2_ros.Buffer(cache_time=Duration(seconds=max_age_s))

    def feed(self, message: TFMessage, static: bool = False) -> None:
        """Take every transform of a message of /tf, or of /tf_static."""
        put = self._buffer.set_transform_static if static else self._buffer.set_transform
        for transform in message.transforms:
            put(transform, 'vla')

    def lookup(self, target: str, source: str, stamp_ns: int) -> np.ndarray:
        """Return where `source` is in `target` at `stamp_ns`: (7,) float64."""
        try:
            found = self._buffer.lookup_transform(target, source, Time(nanoseconds=stamp_ns))
        except tf2_ros.LookupException as error:
            raise UnknownFrameError(source, self._buffer.all_frames_as_string().split()) from error
        except tf2_ros.ExtrapolationException as error:
            raise TooNewError(f'transform {target} -> {source}: {error}') from error
        except tf2_ros.TransformException as error:
            raise VlaError(f'transform {target} -> {source}: {error}') from error
        return pose_from_transform(found.transform)

    def latest_common_ns(self, target: str, source: str) -> int | None:
        """Return the newest stamp at which a lookup succeeds [ns]; None if all is static."""
        try:
            stamp_ns = self._buffer.get_latest_common_time(target, source).nanoseconds
        except tf2_ros.TransformException as error:
            raise UnknownFrameError(source, self._buffer.all_frames_as_string().split()) from error
        return stamp_ns or None

    def clear(self) -> None:
        """Forget all samples."""
        self._buffer.clear()


def make_frames(exact: bool) -> OwnFrames | Tf2Frames:
    """Return the buffer to use.

    `exact` asks for the suite's own, whose arithmetic the in-process environment shares bit by
    bit: lockstep needs that. The two agree to rounding otherwise.
    """
    return OwnFrames(MAX_AGE_S) if exact or tf2_ros is None else Tf2Frames(MAX_AGE_S)
