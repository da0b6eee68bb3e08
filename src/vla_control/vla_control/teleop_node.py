"""The node between a person's device and the control node: device messages in, chunks out.

Its chunks go to `teleop_chunk`, where the control node's mux and guard judge them like any
others; what the person says about the recording goes to `operator`.
"""

from dataclasses import dataclass, field
import json
import sys

from geometry_msgs.msg import PoseStamped
import numpy as np
from sensor_msgs.msg import JointState, Joy
from std_msgs.msg import Bool, String
from std_srvs.srv import SetBool, Trigger
from vla_control.teleop.config import TeleopConfig
from vla_control.teleop.devices import DEVICES, find_device
from vla_control.teleop.signals import OPERATING, Signal, STEERING
from vla_control.teleop.teleoperator import ArmNow, Teleoperator
from vla_core.errors import InvalidDataError
from vla_core.kinematics import Kinematics
from vla_core.ros import qos
from vla_core.ros.arrays import from_pose, from_time
from vla_core.ros.convert import from_msg, to_msg
from vla_core.ros.diagnostics import ERROR, OK, WARN
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.lockstep import Ack, POLICY, Slots
from vla_core.ros.params import about, declare
from vla_core.ros.robot_msgs import joint_state_from_msg
from vla_core.ros.spin import run
from vla_core.spec import load_robot
from vla_core.types import ControlStatus, is_teleop, Mode, Tick
from vla_interfaces import msg

_ARM_SILENT_S = 0.5  # without joint states for so long nobody knows where the arm is
_HOLD = 'hand/hold'
_LOOK_S = 0.25  # between two looks at who publishes the device's topic


@dataclass(frozen=True)
class NodeConfig:
    """Parameters of the teleop node."""

    robot: str = field(
        default='panda', metadata=about('robot spec: a shipped name or the path of a YAML file'))
    device: str = field(
        default='gamepad', metadata=about('what the person holds', choices=tuple(DEVICES)))
    topic: str = field(default='', metadata=about("of the device; empty is the device's own"))
    take: bool = field(
        default=True, metadata=about('a leader arm has the arm from the start, else when told'))
    lockstep: bool = field(default=False, metadata=about(
        "answer each observe tick in the policy's place; the device must be in step"))


class TeleopNode(VlaLifecycleNode):
    """Wires one device to the Teleoperator."""

    def __init__(self) -> None:
        super().__init__('teleop')

    def setup(self) -> None:
        """Make the device and listen to it and to the arm."""
        self._config = config = declare(self, NodeConfig)
        settings = declare(self, TeleopConfig)
        self._spec = load_robot(config.robot)
        self._kind = find_device(config.device)
        self._topic = config.topic or self._kind.topic
        self._device = self._kind.make(self._spec, settings)
        self._teleoperator = Teleoperator(config.device, self._spec, settings)
        self._kinematics = Kinematics(self._spec)
        self._arm: ArmNow | None = None
        self._arm_s = -np.inf  # when it was heard [s]
        self._moving = False
        self._conflict = self._strange = ''
        self._status = ControlStatus(0, Mode.HOLD, '', '')
        self._episode_id = ''
        self._told: dict[str, object] = {}
        self._chunks = self.talk(msg.ActionChunk, 'teleop_chunk', qos.COMMAND)
        self._operator = self.talk(String, 'operator', qos.WORD)
        self.listen(String, 'operator', self._on_word, qos.WORD)
        self._hand_back = self.create_client(Trigger, 'control/hand_back')
        self.serve(SetBool, '~/engage', self._on_engage)
        self.listen(JointState, 'joint_states', self._on_joints, qos.sensor(config.lockstep))
        self.listen(msg.Subtask, 'subtask', self._on_subtask, qos.COMMAND)
        self.listen(msg.ControlStatus, 'control_status', self._on_status, qos.COMMAND)
        self._listen_to_device()
        if config.take:
            self._hear_if_leader()
        if config.lockstep:
            self._setup_lockstep()
        else:
            self.every(1.0 / settings.rate_hz, self._on_time)
            self.every(_LOOK_S, self._look)

    def go_safe(self, error: Exception) -> None:
        """Send nothing: the chunk in hand runs out and the arm rests."""

    # --- device -------------------------------------------------------------------------------

    def _listen_to_device(self) -> None:
        kind, hear = {
            'std_msgs/String': (String, self._on_key), 'sensor_msgs/Joy': (Joy, self._on_joy),
            'sensor_msgs/JointState': (JointState, self._on_leader),
            'geometry_msgs/PoseStamped': (PoseStamped, self._on_pose),
        }[self._kind.message]
        self.listen(kind, self._topic, hear, qos.WORD if kind is String else
                    qos.sensor(self._config.lockstep))
        if kind is PoseStamped:
            self.listen(Bool, _HOLD, self._on_hold, qos.SENSOR)

    def _hear_if_leader(self) -> None:
        if self._config.device == 'leader':
            self._teleoperator.hear('take')

    def _on_key(self, message: String) -> None:
        self._device.on_key(message.data, self.steady_s())
        self._react()

    def _on_joy(self, message: Joy) -> None:
        try:
            self._device.on_joy(message.axes, message.buttons, self.steady_s())
        except InvalidDataError as error:
            self._strange = str(error)  # shown where the device is
            raise
        self._strange = ''
        if self._config.lockstep:
            self._joys.put(from_time(message.header.stamp), self._device.read(self.steady_s()))
            self._advance()
        else:
            self._react()

    def _on_leader(self, message: JointState) -> None:
        self._device.on_joints(message.name, np.array(message.position), self.steady_s())

    def _on_pose(self, message: PoseStamped) -> None:
        self._device.on_pose(from_pose(message.pose), self.steady_s())

    def _on_hold(self, message: Bool) -> None:
        self._device.on_hold(message.data, self.steady_s())
        self._react()

    # --- arm ----------------------------------------------------------------------------------

    def _on_joints(self, message: JointState) -> None:
        if not set(self._spec.joints.names) <= set(message.name):
            return
        stamp_ns, joints, _ = joint_state_from_msg(message, self._spec.joints.names)
        self._arm_s = self.steady_s()
        if self._config.lockstep:
            self._arms.put(stamp_ns, joints)
            self._advance()
        else:
            self._arm = ArmNow(stamp_ns, joints, self._kinematics.forward(joints))

    def _on_subtask(self, message: msg.Subtask) -> None:
        self._episode_id = message.episode_id

    def _on_status(self, message: msg.ControlStatus) -> None:
        self._status = from_msg(message)
        if self._status.mode == Mode.TELEOP:
            return
        self._teleoperator.lose()
        claim = self._teleoperator.claim(self._arm) if self._arm else None
        if claim is not None and not is_teleop(self._status.source):
            self._chunks.publish(to_msg(claim))

    # --- real time ----------------------------------------------------------------------------

    def _on_time(self) -> None:
        self._take(self._read(), at_once=False)

    def _react(self) -> None:
        """Answer a device at once when it starts or stops: the next chunk may be 33 ms away."""
        if not self._config.lockstep:
            self._take(self._read(), at_once=True)

    def _read(self) -> Signal | None:
        return None if self._conflict else self._device.read(self.steady_s())

    def _take(self, signal: Signal | None, *, at_once: bool) -> None:
        moving = signal is not None and signal.motion is not None
        flipped, self._moving = moving != self._moving, moving
        for word in signal.words if signal else ():
            self._hear(word)
        fresh = self.steady_s() - self._arm_s <= _ARM_SILENT_S
        if fresh and (not at_once or flipped or (signal and signal.gripper is not None)):
            chunk = self._teleoperator.answer(signal, self._arm, self._episode_id)
            if chunk is not None:
                self._chunks.publish(to_msg(chunk))
        self._tell(signal)

    def _on_word(self, message: String) -> None:
        if message.data in STEERING:
            self._hear(message.data)

    def _hear(self, word: str) -> None:
        if word in OPERATING:
            self._operator.publish(String(data=word))
            return
        self._teleoperator.hear(word)
        if word == 'hand_back' and self._hand_back.service_is_ready():
            self._hand_back.call_async(Trigger.Request())

    def _on_engage(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        self._hear('take' if request.data else 'hand_back')
        response.success = True
        deed = 'has' if request.data else 'gave back'
        response.message = f'{self._config.device} {deed} the arm'
        return response

    def _look(self) -> None:
        """Refuse a device topic that two publish: nobody could tell whose hand moves the arm."""
        topics = [self._topic, *([_HOLD] if self._config.device == 'pose' else [])]
        counts = {topic: self.count_publishers(topic) for topic in topics}
        self._conflict = next((f'{topic}: {count} publishers, allowed 1'
                               for topic, count in counts.items() if count > 1), '')

    def _tell(self, signal: Signal | None) -> None:
        """Say on change how things stand, as a JSON line and on diagnostics."""
        silent = f'nothing on {self._topic}; start {self._kind.hint}'
        problem = self._conflict or self._strange or (silent if signal is None else '')
        steering, status = self._teleoperator.steering, self._status
        told = {
            'device': self._config.device, 'problem': problem,
            'engaged': self._teleoperator.engaged, 'mode': status.mode.name,
            'source': status.source,
            'frame': 'joints' if steering.joints else 'tool' if steering.tool_frame else 'base',
            'speed': round(steering.speed, 2)}
        if told == self._told:
            return
        self._told = told
        level = ERROR if self._conflict else WARN if problem else OK
        self.diagnostics.set('device', level, problem or 'heard', **told)
        print(json.dumps({'event': 'teleop', **told}), flush=True)

    # --- lockstep -----------------------------------------------------------------------------

    def _setup_lockstep(self) -> None:
        self._joys: Slots[Signal | None] = Slots()
        self._arms: Slots[np.ndarray] = Slots()
        self._tick: Tick | None = None
        self._acks = self.talk(msg.TickAck, 'tick_ack', qos.EVENT)
        self.listen(msg.Tick, 'tick', self._on_tick, qos.EVENT)

    def _on_tick(self, message: msg.Tick) -> None:
        tick = from_msg(message)
        if tick.observe:
            self._tick = tick
            self._advance()

    def _advance(self) -> None:
        """Answer the tick once the device's word and the joints of its instant are here."""
        tick = self._tick
        if tick is None or self._arms.get(tick.stamp_ns) is None:
            return
        signal, joints = self._joys.get(tick.stamp_ns), self._arms.get(tick.stamp_ns)
        if signal is None:
            return
        self._tick = None
        self._joys.forget(tick.stamp_ns)
        self._arms.forget(tick.stamp_ns)
        for word in signal.words:
            self._hear(word)
        arm = ArmNow(tick.stamp_ns, joints, self._kinematics.forward(joints))
        chunk = self._teleoperator.answer(signal, arm, tick.episode_id)
        if chunk is not None:
            self._chunks.publish(to_msg(chunk))
        self._acks.publish(to_msg(
            Ack(tick.stamp_ns, tick.tick, tick.episode_id, POLICY, int(chunk is not None))))


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(TeleopNode, args)


if __name__ == '__main__':
    sys.exit(main())
