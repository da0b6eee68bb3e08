"""The arm as the control node sees it: joints in, set-points and status out."""

import numpy as np
from sensor_msgs.msg import JointState
from vla_control.backends_node import TrajectoryBackend
from vla_core.control.controller import ArmController
from vla_core.ros import qos
from vla_core.ros.convert import to_msg
from vla_core.ros.diagnostics import ERROR, OK, WARN
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.lockstep import JointSample
from vla_core.ros.robot_msgs import joint_state_from_msg
from vla_core.spec import RobotSpec
from vla_core.types import Mode
from vla_interfaces import msg

LEVELS = {Mode.HOLD: WARN, Mode.FAULT: ERROR, Mode.ESTOP: ERROR}
STATUS_PERIOD_S = 0.1
STILL = 1e-6  # [rad/s]


class Arm:
    """Ticks the ArmController, sends its set-points to the back-end, tells its status."""

    def __init__(self, node: VlaLifecycleNode, spec: RobotSpec) -> None:
        self.spec = spec
        self.controller = ArmController(spec)
        self.moving = False
        self._node = node
        self._backend = TrajectoryBackend(node, spec)
        self._status = node.talk(msg.ControlStatus, 'control_status', qos.COMMAND)
        self._shown: tuple[Mode, str] | None = None
        self._shown_s = 0.0

    def sample(self, message: JointState) -> JointSample | None:
        """Return the arm's joints; None for a message of other joints only."""
        if not set(message.name) & set(self.spec.joints.names):
            return None
        return JointSample(*joint_state_from_msg(message, self.spec.joints.names))

    def missing(self) -> list[str]:
        """Return the controllers of the arm that do not listen yet."""
        return self._backend.missing()

    def tick(self, now_ns: int, steady_s: float) -> int:
        """Carry out one control period; return how many commands were sent."""
        command = self.controller.tick(now_ns, steady_s)
        self.moving = bool(np.abs(command.velocity).max() > STILL)
        sent = self._backend.send(command)
        self._tell()
        return sent

    def close(self) -> None:
        """Release the back-end."""
        self._backend.close()

    def _tell(self) -> None:
        """Publish the status on change and at 10 Hz."""
        status, now_s = self.controller.status(), self._node.steady_s()
        shown = (status.mode, status.source)
        if shown == self._shown and now_s - self._shown_s < STATUS_PERIOD_S:
            return
        self._shown, self._shown_s = shown, now_s
        self._status.publish(to_msg(status))
        text = f'{status.mode.name} {status.reason}'.strip()
        self._node.diagnostics.set(
            'arm', LEVELS.get(status.mode, OK), text, source=status.source)
