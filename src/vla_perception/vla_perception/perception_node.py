"""The node that turns camera, joint and TF streams into one Observation a policy step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
import sys
from typing import Any

from geometry_msgs.msg import WrenchStamped
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image, JointState
from tf2_msgs.msg import TFMessage
from vla_core.ros import qos
from vla_core.ros.arrays import from_image, from_time, from_wrench
from vla_core.ros.convert import from_msg, to_msg
from vla_core.ros.diagnostics import ERROR, OK, WARN
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.params import about, declare
from vla_core.ros.spin import run
from vla_core.ros.tf import make_frames
from vla_core.spec import load_robot
from vla_core.timeline import StaleStreamError
from vla_interfaces import msg
from vla_perception.assembler import ObservationAssembler
from vla_perception.trigger import EpisodeClock, FrameTrigger, TickTrigger


@dataclass(frozen=True)
class PerceptionConfig:
    """Parameters of the perception node."""

    robot: str = field(
        default='panda', metadata=about('robot spec: a shipped name or the path of a YAML file'))
    lockstep: bool = field(
        default=False, metadata=about("observe exactly at the simulation's observe ticks"))
    touch: bool = field(
        default=False, metadata=about('the fingertips feel: wait for gel pictures and wrench'))
    patience_s: float = field(
        default=0.02, metadata=about('wait so long for the other streams [s]', 0.0, 1.0))
    silence_s: float = field(
        default=0.5, metadata=about('a camera silent for longer is an error [s]', 0.05, 60.0))


class PerceptionNode(VlaLifecycleNode):
    """Wires topics to ObservationAssembler; never fills in for a stream that is missing."""

    def __init__(self) -> None:
        super().__init__('perception')

    def setup(self) -> None:
        """Subscribe to every stream the robot spec names."""
        self._config = declare(self, PerceptionConfig)
        self._spec = load_robot(self._config.robot)
        lockstep = self._config.lockstep
        self._frames = make_frames(exact=lockstep)
        self._assembler = ObservationAssembler(
            self._spec, frames=self._frames, touch=self._config.touch)
        self._episodes = EpisodeClock()
        self._trigger = TickTrigger() if lockstep else FrameTrigger(
            self._spec.policy.step_s, self._config.patience_s)
        self._heard: dict[str, float] = dict.fromkeys(
            (*self._spec.cameras, 'joint_states'), self.steady_s())  # steady [s]
        self._publisher = self.talk(msg.Observation, 'observation', qos.COMMAND)
        for camera in self._spec.cameras:
            self._sense(Image, f'{camera}/image', partial(self._on_image, camera),
                        qos.image(lockstep))
        if self._config.touch:
            self._feel(lockstep)
        self._sense(JointState, 'joint_states', self._on_joint_state, qos.sensor(lockstep))
        raw = self._frames.raw
        self._sense(TFMessage, 'tf', self._on_tf, qos.sensor(lockstep), raw=raw)
        self._sense(TFMessage, 'tf_static', self._on_tf_static, qos.TF_STATIC, raw=raw)
        self.listen(msg.Tick, 'tick', self._on_tick, qos.EVENT)
        if not lockstep:  # there the simulation waits, however long that takes
            self.every(self._config.silence_s / 2, self._watch)
            self.every(max(self._config.patience_s, 0.005), self._observe)

    def _sense(
        self, kind: type, topic: str, callback: Callable[[Any], None], profile: QoSProfile,
        *, raw: bool = False,
    ) -> None:
        """Listen to a sensor; in lockstep each message counts, also one that is refused."""
        def hear(message: Any) -> None:
            if isinstance(self._trigger, TickTrigger):
                self._trigger.on_message()
            callback(message)
        self.listen(kind, topic, hear, profile, raw=raw)

    def _on_image(self, camera: str, message: Image) -> None:
        stamp_ns = from_time(message.header.stamp)
        self._assembler.on_image(camera, stamp_ns, from_image(message))
        self._heard[camera] = self.steady_s()
        if camera == self._assembler.reference and isinstance(self._trigger, FrameTrigger):
            self._trigger.on_frame(stamp_ns, self._heard[camera])
        self._observe()

    def _feel(self, lockstep: bool) -> None:
        for finger in self._spec.tactile:
            self._sense(Image, f'tactile/{finger}/image', partial(self._on_tactile, finger),
                        qos.image(lockstep))
        self._sense(WrenchStamped, 'wrench', self._on_wrench, qos.sensor(lockstep))

    def _on_tactile(self, finger: str, message: Image) -> None:
        self._assembler.on_tactile(
            finger, from_time(message.header.stamp), from_image(message))
        self._observe()

    def _on_wrench(self, message: WrenchStamped) -> None:
        self._assembler.on_wrench(from_time(message.header.stamp), from_wrench(message.wrench))
        self._observe()

    def _on_joint_state(self, message: JointState) -> None:
        self._assembler.on_joint_state(
            from_time(message.header.stamp), message.name, message.position, message.velocity)
        self._heard['joint_states'] = self.steady_s()
        self._observe()

    def _on_tf(self, message: TFMessage | bytes) -> None:
        self._frames.feed(message)
        self._observe()

    def _on_tf_static(self, message: TFMessage | bytes) -> None:
        self._frames.feed(message, static=True)
        self._observe()

    def _on_tick(self, message: msg.Tick) -> None:
        tick = from_msg(message)
        self._episodes.on_tick(tick)
        if isinstance(self._trigger, TickTrigger):
            self._trigger.on_tick(tick)
            self._observe()

    def _observe(self) -> None:
        """Publish the pending observation if it is time, or say which stream it lacks."""
        pending_ns = self._trigger.pending_ns()
        if pending_ns is None:
            return
        missing = self._assembler.waiting_for(pending_ns)
        stamp_ns = self._trigger.take(missing, self.steady_s())
        if stamp_ns is None:
            return
        self._assembler.on_episode(self._episodes.at(stamp_ns))
        try:
            observation = self._assembler.assemble(stamp_ns)
        except StaleStreamError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=2.0)
            self.diagnostics.set('streams', WARN, f'no observation: {error.stream} is stale')
            return
        self._publisher.publish(to_msg(observation, self._spec.base_frame))
        self.diagnostics.set('streams', OK, 'observing', **observation.age_s)

    def _watch(self) -> None:
        """Say which stream has been silent on the steady clock."""
        now_s = self.steady_s()
        silent = [name for name, heard_s in self._heard.items()
                  if now_s - heard_s > self._config.silence_s]
        if silent:
            text = f'nothing from {", ".join(silent)} for {self._config.silence_s} s'
            if self.diagnostics.set('sensors', ERROR, text):
                self.get_logger().warning(text)
        else:
            self.diagnostics.set('sensors', OK, 'all streams arrive')


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(PerceptionNode, args)


if __name__ == '__main__':
    sys.exit(main())
