"""What the messages of an arm say together: where its tool is, and what it was commanded."""

from collections.abc import Sequence

import numpy as np
from vla_core.episode import GRIPPER, JOINT_POSITION
from vla_core.errors import InvalidDataError, VlaError
from vla_core.frames import FrameBuffer
from vla_core.spec import RobotSpec
from vla_recorder.live.decode import Decoder
from vla_recorder.recording.acted import Acted, Forward
from vla_recorder.recording.raw_channels import Channel

KEPT_S = 10.0  # of transforms


class LiveArm:
    """The arm in one episode."""

    def __init__(self, robot: RobotSpec, forward: Forward, decoder: Decoder) -> None:
        self._robot, self._decoder = robot, decoder
        self._frames = FrameBuffer(KEPT_S)
        self._acted = Acted(forward)
        self._tool_ns = 0
        self._joints: np.ndarray | None = None  # where it stood at first
        self._gripper = 1.0
        self._trajectory = f'{robot.controller.name}/joint_trajectory'

    @property
    def commands(self) -> int:
        """Number of set-points heard."""
        return self._acted.commands

    @property
    def asked(self) -> bool:
        """Whether a person's device asked for anything."""
        return self._acted.asked

    def hear(self, channel: Channel, data: bytes) -> tuple[int, np.ndarray] | None:
        """Take a message; return stamp [ns] and pose (7,) where the tool is known anew.

        Raise InvalidDataError naming the topic for one that cannot be understood.
        """
        if channel.topic in ('tf', 'tf_static'):
            return self._on_transforms(channel, data)
        if channel.topic == self._trajectory:
            for due_ns, joints in self._decoder.commands(channel, data):
                self._acted.on_command(due_ns, joints)
        elif channel.topic == 'action_chunk':
            self._acted.on_chunk(self._decoder.chunk(channel, data))
        elif channel.topic == 'teleop_chunk':
            self._acted.on_teleop(self._decoder.chunk(channel, data))
        elif channel.topic == 'control_status':
            self._acted.on_status(self._decoder.status(channel, data))
        elif channel.topic == 'joint_states' and self._joints is None:
            values = dict(self._decoder.values(channel, data))
            self._joints = values.get(JOINT_POSITION)
            self._gripper = float(values.get(GRIPPER, self._gripper))
        return None

    def actions(self, stamps: Sequence[int], end_ns: int) -> dict[str, np.ndarray]:
        """Return the columns of what was done at each of the rows `stamps` [ns]."""
        if self._joints is None:
            raise InvalidDataError('joint_states: got none, allowed one or more an episode')
        return self._acted.columns(stamps, end_ns, self._joints, self._gripper)

    def _on_transforms(self, channel: Channel, data: bytes) -> tuple[int, np.ndarray] | None:
        base, tool = self._robot.base_frame, self._robot.tool_frame
        for parent, child, stamp_ns, pose in self._decoder.transforms(channel, data):
            if channel.latched:
                self._frames.set_static(parent, child, pose)
            else:
                self._frames.set(parent, child, stamp_ns, pose)
        try:
            stamp_ns = self._frames.latest_common_ns(base, tool)
            if stamp_ns is None or stamp_ns <= self._tool_ns:
                return None
            pose = np.asarray(self._frames.lookup(base, tool, stamp_ns), np.float64)
        except VlaError:
            return None  # the tree is not connected yet
        self._tool_ns = stamp_ns
        return stamp_ns, pose
