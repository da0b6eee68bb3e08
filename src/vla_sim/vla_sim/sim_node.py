"""The simulated robot as a node: in real time by the steady clock, or in lockstep by ticks."""

from dataclasses import dataclass, field

from std_srvs.srv import SetBool
from vla_core.errors import UnknownNameError, VlaError
from vla_core.ros import qos
from vla_core.ros.arrays import from_time
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.lockstep import CONTROL
from vla_core.ros.params import about, declare
from vla_core.ros.spin import run
from vla_interfaces.msg import TickAck
from vla_interfaces.srv import Reset
from vla_sim.environment import TableEnvironment
from vla_sim.facade_node import GripperFacade, TrajectoryFacade
from vla_sim.pacing import CommandGate, Pacer
from vla_sim.sensors_node import Sensors

_CLOCK_TICKS = 2  # control periods in one /clock message in real time: 60 Hz
_MISSED_S = 2.0  # without an acknowledgement for so long, say who is missing


@dataclass(frozen=True)
class SimConfig:
    """Parameters of the sim node."""

    robot: str = field(default='panda', metadata=about('robot spec to simulate'))
    scene: str = field(default='bowl', metadata=about('what stands on the table'))
    gui: bool = field(default=False, metadata=about('show the PyBullet window'))
    lockstep: bool = field(
        default=False, metadata=about('step on acknowledged ticks instead of the clock'))


class SimNode(VlaLifecycleNode):
    """Owns the world; serves `reset` and `run`, and the arm's ros2_control names."""

    def __init__(self) -> None:
        super().__init__('sim')
        self._config = declare(self, SimConfig)
        self._environment: TableEnvironment | None = None

    def setup(self) -> None:
        """Make the world and everything that speaks for it."""
        environment = TableEnvironment(
            self._config.robot, self._config.scene, self._config.gui)
        self._environment = environment
        self._running, self._tick = False, 0
        self._pacer, self._gate = Pacer(environment.control_period_s), CommandGate()
        self._sensors = Sensors(self, environment)
        self._arm = TrajectoryFacade(
            self, environment.spec, environment.follower, environment.now_ns, self._on_command)
        self._gripper = GripperFacade(
            self, environment.spec, lambda: environment.world.arm, self._on_command)
        self.serve(Reset, 'reset', self._on_reset)
        self.serve(SetBool, 'run', self._on_run)
        if self._config.lockstep:
            self.listen(TickAck, 'tick_ack', self._on_ack, qos.EVENT)
            self.every(_MISSED_S, self._on_silence)
        else:
            self.every(environment.control_period_s, self._on_time)

    def teardown(self) -> None:
        """Close the world."""
        if self._environment is None:
            return
        self._arm.destroy()
        self._gripper.destroy()
        self._environment.close()
        self._environment = None

    def go_safe(self, error: Exception) -> None:
        """Pause: a world in doubt must not move on."""
        del error
        self._running = False

    # --- services -----------------------------------------------------------------------------

    def _on_reset(self, request: Reset.Request, response: Reset.Response) -> Reset.Response:
        try:
            self._begin(request)
        except VlaError as error:
            response.success, response.message = False, str(error)[:512]
            return response
        response.success = True
        response.episode_id = self._environment.episode_id
        response.instruction = self._environment.instruction
        return response

    def _begin(self, request: Reset.Request) -> None:
        if request.scene not in ('', self._config.scene):
            raise UnknownNameError('scene', request.scene, (self._config.scene,))
        self._running = False
        self._gate.close()
        self._arm.drop('the episode was reset')
        self._gripper.drop()
        self._environment.reset(int(request.seed), request.task, request.timeout_s)
        self._tick = 0
        self._sensors.publish_joints()
        self._sensors.publish_clock()
        if not self._config.lockstep:  # there the first tick waits for an answer
            self._sensors.publish_tick(0, observe=False)
        self._set_running(not request.hold)

    def _on_run(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.success = bool(self._environment.episode_id)
        response.message = '' if response.success else 'no episode yet: call reset first'
        if response.success:
            self._set_running(request.data)
        return response

    def _set_running(self, running: bool) -> None:
        resumed, self._running = running and not self._running, running
        if not resumed:
            return
        self._pacer.start(self.steady_s())
        if self._config.lockstep and not self._gate.waiting:
            self._open_tick()
        elif not self._config.lockstep and self._tick == 0:
            self._publish(observe=True)

    # --- real time ----------------------------------------------------------------------------

    def _on_time(self) -> None:
        if not self._running:
            return
        for _ in range(self._pacer.due(self.steady_s())):
            if not self._running:
                return
            self._advance()
            if self._running:
                self._publish(observe=self._is_step())

    def _publish(self, *, observe: bool) -> None:
        self._sensors.publish_joints()
        if observe or self._tick % _CLOCK_TICKS == 0:
            self._sensors.publish_clock()
        if observe:
            self._sensors.publish_tick(self._tick, observe=True)
            self._sensors.publish_views()

    # --- lockstep -----------------------------------------------------------------------------

    def _open_tick(self) -> None:
        self._gate.open(self._environment.now_ns())
        self._sensors.publish_joints()
        if self._is_step():
            self._sensors.publish_views()
        self._sensors.publish_clock()
        self._sensors.publish_tick(self._tick, observe=self._is_step())

    def _on_command(self, stamp_ns: int | None = None) -> None:
        self._gate.on_command(stamp_ns)
        self._step_if_ready()

    def _on_ack(self, message: TickAck) -> None:
        if message.node == CONTROL:
            self._gate.on_ack(from_time(message.header.stamp), message.sent)
            self._step_if_ready()

    def _step_if_ready(self) -> None:
        if not (self._config.lockstep and self._running and self._gate.ready):
            return
        self._gate.close()
        self._advance()
        if self._running:
            self._open_tick()

    def _on_silence(self) -> None:
        if self._running and self._gate.waiting:
            self.get_logger().warning(
                f'tick {self._tick} waits for {CONTROL}', throttle_duration_sec=10.0)

    # --- both ---------------------------------------------------------------------------------

    def _advance(self) -> None:
        environment = self._environment
        environment.advance()
        self._tick += 1
        position, _ = environment.joint_state()
        self._arm.update(position)
        self._gripper.update()
        if self._is_step():
            outcome = environment.outcome()
            self._sensors.publish_outcome(outcome)
            self._running = not outcome.done

    def _is_step(self) -> bool:
        return self._tick % self._environment.ticks_per_step == 0


def main() -> None:
    """Run the node."""
    raise SystemExit(run(SimNode))


if __name__ == '__main__':
    main()
