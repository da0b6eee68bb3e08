"""A robot that only talks: three cameras and fast joints, as a recorder would hear them."""

from dataclasses import dataclass, field
import json
from pathlib import Path
import struct
import sys
import time

import numpy as np
import rclpy
from rclpy.client import Client
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, JointState
from vla_core.errors import VlaError
from vla_core.ros import qos
from vla_core.ros.arrays import to_image
from vla_core.ros.params import about, declare
from vla_core.ros.robot_msgs import joint_state_to_msg
from vla_core.spec import load_robot
from vla_interfaces.srv import RecordStart, RecordStop

_STAMP = struct.Struct('<iI')
_NAP_S = 0.0005
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class TalkerConfig:
    """Parameters of the talker."""

    robot: str = field(default='panda', metadata=about('robot spec'))
    frames: str = field(default='frames.npy', metadata=about('(cameras, N, H, W, 3) uint8'))
    seconds: float = field(default=20.0, metadata=about('how long [s]', 0.1, 36000.0))
    joints_hz: int = field(default=1000, metadata=about('rate of joint_states', 1, 10000))
    out: str = field(default='sent.json', metadata=about('file for the counts'))


class Talker(Node):
    """Publishes messages that were serialised before; only their stamps are new."""

    def __init__(self) -> None:
        super().__init__('talker')
        self._config = declare(self, TalkerConfig)
        robot = load_robot(self._config.robot)
        self._rate_hz = next(iter(robot.cameras.values())).rate_hz
        cycles = np.load(self._config.frames, mmap_mode='r')
        self._pictures = [[bytearray(serialize_message(to_image(frame, 0, 'camera')))
                           for frame in cycle] for cycle in cycles]
        self._cameras = [self.create_publisher(Image, f'{name}/image', qos.SENSOR_RELIABLE)
                         for name in robot.cameras]
        names = [*robot.joints.names, *robot.gripper.joints]
        home = np.append(robot.joints.home, np.zeros(len(robot.gripper.joints)))
        state = joint_state_to_msg(0, names, home, np.zeros(len(names)))
        state.effort = state.velocity  # before an empty sequence the serialiser leaves a gap
        self._joints = bytearray(serialize_message(state))
        self._states = self.create_publisher(JointState, 'joint_states', qos.SENSOR_RELIABLE)
        self._start = self.create_client(RecordStart, 'recorder/start')
        self._stop = self.create_client(RecordStop, 'recorder/stop')

    def play(self) -> None:
        """Have an episode recorded, and write down what was sent."""
        self._await(lambda: all(
            p.get_subscription_count() for p in (*self._cameras, self._states)), 'a recorder')
        self._call(self._start, RecordStart.Request(episode_id='bench', instruction='record'))
        began = time.monotonic()
        states, rows, late_s = self._talk(began)
        time.sleep(0.5)  # the last ones are on their way
        self._call(self._stop, RecordStop.Request())
        Path(self._config.out).write_text(json.dumps({
            'joint_states': states, 'frames': rows * len(self._cameras), 'late_s': late_s}))

    def _talk(self, began: float) -> tuple[int, int, float]:
        """Send until the time is over: joint states, rows of frames, greatest delay [s]."""
        config, states, rows, late_s = self._config, 0, 0, 0.0
        while (now := time.monotonic() - began) < config.seconds:
            late_s = max(late_s, now - states / config.joints_hz)
            while states <= now * config.joints_hz:
                self._publish(self._states, self._joints)
                states += 1
            if rows <= now * self._rate_hz:
                for publisher, cycle in zip(self._cameras, self._pictures):
                    self._publish(publisher, cycle[rows % len(cycle)])
                rows += 1
            time.sleep(_NAP_S)
        return states, rows, late_s

    def _publish(self, publisher: Publisher, message: bytearray) -> None:
        _STAMP.pack_into(message, 4, *divmod(time.time_ns(), 1_000_000_000))
        publisher.publish(bytes(message))

    def _call(self, client: Client, request: object) -> None:
        self._await(client.service_is_ready, client.srv_name)
        future = client.call_async(request)
        rclpy.spin_until_future_complete(self, future, timeout_sec=_PATIENCE_S)
        if future.result() is None or not future.result().success:
            raise VlaError(f'{client.srv_name}: got {future.result()}, allowed success')

    def _await(self, condition: object, what: str) -> None:
        limit = time.monotonic() + _PATIENCE_S
        while not condition():
            if time.monotonic() > limit:
                raise VlaError(f'record bench: got no {what} within {_PATIENCE_S:.0f} s')
            rclpy.spin_once(self, timeout_sec=0.05)


def main() -> int:
    """Talk, then end."""
    rclpy.init()
    node = Talker()
    try:
        node.play()
    except VlaError as error:
        print(f'talker: {error}', file=sys.stderr)
        return 2
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
