"""The topics and services of a recorder of raw messages: its part of the recorder node."""

from collections.abc import Callable
from functools import partial
import importlib
import time
from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from std_srvs.srv import Trigger
from vla_core.errors import InvalidDataError, VlaError
from vla_core.ros import qos
from vla_core.ros.convert import from_msg
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_interfaces import msg
from vla_interfaces.srv import RecordLabel, RecordStart, RecordStop
from vla_recorder.bag.types import definition_of
from vla_recorder.recording.raw_channels import Channel, stamp_ns
from vla_recorder.recording.raw_recorder import RawRecorder

_POLL_S = 0.02
_MATCH_S = 0.5  # from knowing of each other to being matched on both sides
_VERDICTS = {0: None, 1: True, 2: False}  # of RecordStop and RecordLabel


def message_type(channel: Channel) -> type:
    """Return the class of a channel's messages."""
    package, _, name = channel.kind.split('/')
    return getattr(importlib.import_module(f'{package}.msg'), name)


def definitions_of(channels: tuple[Channel, ...]) -> dict[str, str]:
    """Return the text of every message type of the suite's own."""
    return {channel.kind: definition_of(message_type(channel))
            for channel in channels if channel.kind.startswith('vla_interfaces/')}


class RawTopics:
    """Hands every message of a robot to a recorder, and what an operator says."""

    def __init__(
        self, node: VlaLifecycleNode, channels: tuple[Channel, ...], recorder: RawRecorder,
        on_picture: Callable[[str, int], None],
    ) -> None:
        """`on_picture` hears the topic and stamp [ns] of each picture that was taken in."""
        self._node, self._recorder, self._on_picture = node, recorder, on_picture
        self._before = {msg.Subtask: recorder.on_subtask}  # may begin the episode it is part of
        self._after = {msg.TaskOutcome: recorder.on_outcome, msg.ControlStatus: recorder.on_status}
        self._heard: dict[Channel, Subscription] = {
            channel: self._subscribe(channel, _profile(channel)) for channel in channels}
        self._unreliable: set[Channel] = set()
        node.every(0.25, lambda: recorder.settle(self._now_ns()))
        node.every(1.0, self._adapt)
        for kind, name, answer in (
            (RecordStart, 'start', self._start), (RecordStop, 'stop', self._stop),
            (RecordLabel, 'label', self._label), (Trigger, 'freeze', self._freeze),
            (Trigger, 'discard', self._discard),
        ):
            node.serve(kind, f'~/{name}', partial(self._serve, answer))

    def await_publishers(self, patience_s: float) -> None:
        """Wait until all that the robot declares is published and matched, or patience ends.

        While two ends find each other, the middleware may lose messages in between: an episode
        that began meanwhile would have a gap.
        """
        limit_s = self._node.steady_s() + patience_s
        needed = [heard for channel, heard in self._heard.items()
                  if channel.rate_hz or channel.topic == 'joint_states']
        while self._node.steady_s() < limit_s and not all(
                self._node.count_publishers(heard.topic_name) for heard in needed):
            time.sleep(_POLL_S)
        time.sleep(min(_MATCH_S, patience_s))

    # --- messages -----------------------------------------------------------------------------

    def _subscribe(self, channel: Channel, profile: QoSProfile) -> Subscription:
        kind = message_type(channel)
        decoded = kind if kind in self._before or kind in self._after else None
        return self._node.listen(
            kind, channel.topic, partial(self._on_message, channel, decoded), profile, raw=True)

    def _on_message(self, channel: Channel, kind: type | None, data: bytes) -> None:
        heard_ns = self._now_ns()
        try:
            sent_ns = stamp_ns(channel, data, heard_ns)
        except InvalidDataError as error:  # an empty TF message, say
            self._node.get_logger().warning(str(error), throttle_duration_sec=10.0)
            return
        value = None if kind is None else from_msg(deserialize_message(data, kind))
        if kind in self._before:
            self._before[kind](value)
        self._recorder.add(channel, sent_ns, heard_ns, data)
        if kind in self._after:
            self._after[kind](value)
        if channel.stream:
            self._on_picture(channel.topic, sent_ns)

    def _adapt(self) -> None:
        """Hear sensors that are published best effort, which a reliable reader does not."""
        for channel in set(self._heard) - self._unreliable:
            offers = self._node.get_publishers_info_by_topic(self._heard[channel].topic_name)
            if any(offer.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
                   for offer in offers):
                self._unreliable.add(channel)
                self._node.forget(self._heard[channel])
                self._heard[channel] = self._subscribe(channel, qos.RECORD_UNRELIABLE)
                self._node.get_logger().warning(
                    f'{channel.topic} is published best effort: the middleware may lose messages')

    def _now_ns(self) -> int:
        return self._node.get_clock().now().nanoseconds

    # --- the operator -------------------------------------------------------------------------

    def _serve(self, answer: Callable[[Any], str], request: Any, response: Any) -> Any:
        try:
            if not self._node.active:
                raise VlaError('got it while the recorder is not active, allowed while it is')
            episode_id = answer(request)
        except VlaError as error:
            response.success, response.message = False, str(error)[:512]
            return response
        response.success, response.message = True, f'episode {episode_id}'
        if hasattr(response, 'episode_id'):
            response.episode_id = episode_id[:64]
        return response

    def _start(self, request: RecordStart.Request) -> str:
        return self._recorder.start(
            self._now_ns(), request.episode_id, request.task, request.instruction)

    def _stop(self, request: RecordStop.Request) -> str:
        return self._recorder.stop(_verdict(request.verdict), request.reason)

    def _label(self, request: RecordLabel.Request) -> str:
        return self._recorder.label(
            self._now_ns(), _verdict(request.verdict), request.task, request.instruction,
            request.subtask)

    def _freeze(self, request: Trigger.Request) -> str:
        del request
        return self._recorder.freeze(self._now_ns())

    def _discard(self, request: Trigger.Request) -> str:
        del request
        return self._recorder.discard()


def _profile(channel: Channel) -> QoSProfile:
    if channel.latched:
        return qos.TF_STATIC if channel.topic == 'tf_static' else qos.LATCHED
    return qos.RECORD_FAST if channel.fast else qos.RECORD


def _verdict(verdict: int) -> bool | None:
    if verdict not in _VERDICTS:
        raise InvalidDataError(f'verdict: got {verdict}, allowed {", ".join(map(str, _VERDICTS))}')
    return _VERDICTS[verdict]
