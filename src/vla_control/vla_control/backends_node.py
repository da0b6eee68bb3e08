"""How set-points leave for an arm: the topics and actions of ros2_control."""

from control_msgs.action import GripperCommand
from rclpy.action import ActionClient
from rclpy.node import Node
from trajectory_msgs.msg import JointTrajectory
from vla_core.ros import qos
from vla_core.ros.robot_msgs import command_to_msg
from vla_core.spec import RobotSpec
from vla_core.types import JointCommand


class TrajectoryBackend:
    """A joint_trajectory_controller and a GripperCommand action server.

    Each set-point is a trajectory of one point, due one control period after its stamp. A
    gripper goal is sent once; until the server is there it waits.
    """

    def __init__(self, node: Node, spec: RobotSpec) -> None:
        self._node = node
        self._spec = spec
        self._period_ns = round(spec.controller.period_s * 1e9)
        self._publisher = node.create_publisher(
            JointTrajectory, f'{spec.controller.name}/joint_trajectory', qos.SET_POINT)
        self._gripper = ActionClient(node, GripperCommand, spec.gripper.action)
        self._goal: float | None = None  # not yet sent, 0 closed .. 1 open

    def send(self, command: JointCommand) -> int:
        """Send a set-point and a new gripper goal, if any; return how many messages went out."""
        self._publisher.publish(
            command_to_msg(command, self._spec.joints.names, self._period_ns))
        if command.gripper is not None:
            self._goal = command.gripper
        return 1 + self._send_goal()

    def missing(self) -> list[str]:
        """Return the controllers that do not listen yet."""
        absent = [] if self._publisher.get_subscription_count() else [self._spec.controller.name]
        return absent if self._gripper.server_is_ready() else [*absent, self._spec.gripper.action]

    def _send_goal(self) -> int:
        if self._goal is None or not self._gripper.server_is_ready():
            return 0
        goal = GripperCommand.Goal()
        goal.command.position = self._goal * self._spec.gripper.finger_travel_m
        goal.command.max_effort = self._spec.gripper.force_n
        self._gripper.send_goal_async(goal)
        self._goal = None
        return 1

    def close(self) -> None:
        """Destroy the publisher and the action client."""
        self._node.destroy_publisher(self._publisher)
        self._gripper.destroy()
