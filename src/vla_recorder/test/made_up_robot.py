"""What a robot says on its topics, made up, in the bytes of the wire and without ROS."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from vla_core.kinematics import Kinematics
from vla_core.spec import CameraSpec, load_robot, RobotSpec
from vla_recorder.bag.message import encoder_of
from vla_recorder.bag.types import standard_types
from vla_recorder.recording.raw_channels import Channel, channels_of

PANDA = load_robot('panda')
NS = 1_000_000_000
FORWARD = Kinematics(PANDA).forward
TYPES = standard_types().types
DEFINITIONS = {
    'vla_interfaces/msg/ActionChunk': (
        'std_msgs/Header header\nuint64 sequence\nstring episode_id\nstring subtask_id\n'
        'string source\nstring representation\nfloat64 step_s\nuint16 rows\nuint16 columns\n'
        'float32[] values\nfloat64 progress\nfloat64 inference_s\n'),
    'vla_interfaces/msg/ControlStatus': (
        'std_msgs/Header header\nuint8 mode\nstring reason\nstring source\n'),
    'vla_interfaces/msg/Subtask': 'std_msgs/Header header\nstring text\n',
    'vla_interfaces/msg/TaskOutcome': 'std_msgs/Header header\nbool success\n',
}


def with_cameras(names: tuple[str, ...], height: int, width: int, rate_hz: int) -> RobotSpec:
    """Return the Panda with other cameras."""
    return replace(PANDA, cameras={
        name: CameraSpec(width, height, rate_hz, f'{name}_optical') for name in names})


class MadeUpRobot:
    """Makes the messages of one arm, whose joints move along a sine."""

    def __init__(self, robot: RobotSpec) -> None:
        self.robot = robot
        self.channels = {channel.topic: channel for channel in channels_of(robot)}
        self._encoders: dict[str, Callable] = {}

    def joints(self, stamp_ns: int) -> np.ndarray:
        """Return the joints (J,) [rad] at an instant."""
        return PANDA.joints.home + 0.2 * np.sin(stamp_ns / NS + np.arange(7))

    def picture(self, camera: str, stamp_ns: int) -> np.ndarray:
        """Return what a camera sees: a grey that tells the instant, (H, W, 3) uint8."""
        spec = self.robot.cameras[camera]
        level = 40 + stamp_ns // 10_000_000 % 160
        return np.full((spec.height, spec.width, 3), level, np.uint8)

    def message(self, topic: str, stamp_ns: int) -> tuple[Channel, bytes]:
        """Return a channel and the next message on it."""
        channel = self.channels[topic]
        if topic.endswith('/image'):
            return channel, self.encoded(channel, stamp_ns)
        return channel, bytes(getattr(self, f'_{topic.rsplit("/")[-1]}')(stamp_ns))

    def encoded(self, channel: Channel, stamp_ns: int) -> bytes:
        """Return an image message."""
        picture = self.picture(channel.topic.split('/')[0], stamp_ns)
        if channel.topic not in self._encoders:
            encoder = encoder_of(channel.stream, picture.dtype, picture.shape)
            self._encoders[channel.topic] = encoder.encode
        return bytes(self._encoders[channel.topic](stamp_ns, picture))

    def _joint_states(self, stamp_ns: int) -> bytes:
        names = [*self.robot.gripper.joints, *self.robot.joints.names]  # in an order of its own
        position = np.concatenate([[0.03, 0.03], self.joints(stamp_ns)])
        return _serialised('sensor_msgs/msg/JointState', header=_header(stamp_ns), name=names,
                           position=position, velocity=np.zeros(9), effort=np.empty(0))

    def _joint_trajectory(self, stamp_ns: int) -> bytes:
        point = TYPES['trajectory_msgs/msg/JointTrajectoryPoint'](
            positions=self.joints(stamp_ns), velocities=np.empty(0), accelerations=np.empty(0),
            effort=np.empty(0), time_from_start=TYPES['builtin_interfaces/msg/Duration'](0, 0))
        return _serialised(
            'trajectory_msgs/msg/JointTrajectory', header=_header(stamp_ns),
            joint_names=list(self.robot.joints.names), points=[point])

    def _tf(self, stamp_ns: int) -> bytes:
        pose = FORWARD(self.joints(stamp_ns)).tolist()
        transform = TYPES['geometry_msgs/msg/TransformStamped'](
            header=_header(stamp_ns, self.robot.base_frame),
            child_frame_id=self.robot.tool_frame, transform=TYPES['geometry_msgs/msg/Transform'](
                translation=TYPES['geometry_msgs/msg/Vector3'](*pose[:3]),
                rotation=TYPES['geometry_msgs/msg/Quaternion'](*pose[3:])))
        return _serialised('tf2_msgs/msg/TFMessage', transforms=[transform])


def _header(stamp_ns: int, frame: str = '') -> object:
    stamp = TYPES['builtin_interfaces/msg/Time'](*divmod(int(stamp_ns), NS))
    return TYPES['std_msgs/msg/Header'](stamp=stamp, frame_id=frame)


def _serialised(kind: str, **fields: object) -> bytes:
    return bytes(standard_types().serialize_cdr(TYPES[kind](**fields), kind))
