"""The node that alone may move the arm: ArmController at the control rate, in its own process."""

from dataclasses import dataclass, field
import sys

from std_srvs.srv import SetBool, Trigger
from vla_control.arm_node import Arm
from vla_control.lockstep_node import LockstepDrive
from vla_control.real_time_node import RealTimeDrive
from vla_core.errors import VlaError
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.params import about, declare
from vla_core.ros.spin import run
from vla_core.spec import load_robot
from vla_core.types import Mode


@dataclass(frozen=True)
class NodeConfig:
    """Parameters of the control node."""

    robot: str = field(
        default='panda', metadata=about('robot spec: a shipped name or the path of a YAML file'))
    lockstep: bool = field(
        default=False, metadata=about("step on the simulation's ticks instead of a timer"))
    lead_s: float = field(
        default=0.05, metadata=about('set-points leave so long before they are due [s]', 0.0, 0.5))


class ControlNode(VlaLifecycleNode):
    """Wires topics to ArmController; decides nothing itself."""

    def __init__(self) -> None:
        super().__init__('control')
        self._arm: Arm | None = None

    def setup(self) -> None:
        """Make the arm, the operator's services, and what drives them."""
        config = declare(self, NodeConfig)
        self._arm = Arm(self, load_robot(config.robot))
        self.serve(Trigger, '~/clear_fault', self._on_clear_fault)
        self.serve(SetBool, '~/estop', self._on_estop)
        self.serve(Trigger, '~/hand_back', self._on_hand_back)
        if config.lockstep:
            self._drive = LockstepDrive(self, self._arm)
        else:
            self._drive = RealTimeDrive(self, self._arm, config.lead_s)

    def teardown(self) -> None:
        """Release the arm."""
        if self._arm is not None:
            self._arm.close()
            self._arm = None

    def go_safe(self, error: Exception) -> None:
        """Stop the arm: what failed here may have been what keeps it safe.

        A malformed message is only refused: what it should have renewed goes stale and holds.
        """
        if isinstance(error, VlaError):
            return
        self._arm.controller.stop(f'control node failed: {type(error).__name__}: {error}')

    def _on_clear_fault(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        del request
        before = self._arm.controller.status()
        self._arm.controller.clear_fault()
        response.success = True
        response.message = f'cleared: {before.reason}' if before.mode == Mode.FAULT else 'no fault'
        return response

    def _on_hand_back(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        del request
        owner = self._arm.controller.hand_back()
        response.success = True
        response.message = f'{owner} handed back' if owner else 'nobody had taken the arm'
        return response

    def _on_estop(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if request.data:
            self._arm.controller.stop('emergency stop')
        else:
            self._arm.controller.release_stop()
        response.success = True
        response.message = 'stopped' if request.data else 'released: holding until a fresh chunk'
        return response


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(ControlNode, args)


if __name__ == '__main__':
    sys.exit(main())
