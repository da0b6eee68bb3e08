"""The recorder as an operator's session uses it: its services, and what it says of itself."""

import time

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from std_srvs.srv import Trigger
from vla_bringup.services_node import call, Wait
from vla_bringup.session import PlannedEpisode
from vla_core.ros import qos
from vla_interfaces.srv import RecordStart, RecordStop

_LOST_S = 3.0  # a recorder that does not say for so long that it records does not
_VERDICTS = {None: RecordStop.Request.KEEP, True: RecordStop.Request.SUCCESS,
             False: RecordStop.Request.FAILURE}


class RecorderClient:
    """Each call returns the recorder's answer: success, message, and perhaps an episode_id."""

    def __init__(self, node: Node, wait: Wait) -> None:
        self._wait = wait
        self._records_s = 0.0  # when it said last that it records [s]
        self._start = node.create_client(RecordStart, 'recorder/start')
        self._stop = node.create_client(RecordStop, 'recorder/stop')
        self._freeze = node.create_client(Trigger, 'recorder/freeze')
        self._discard = node.create_client(Trigger, 'recorder/discard')
        node.create_subscription(
            DiagnosticArray, 'diagnostics', self._on_diagnostics, qos.SET_POINT)

    @property
    def lost(self) -> bool:
        """Whether an episode that was begun is not recorded: the recorder died meanwhile."""
        return time.monotonic() - self._records_s > _LOST_S

    def begin(self, planned: PlannedEpisode, episode_id: str) -> RecordStart.Response:
        """Begin an episode."""
        answer = call(self._start, RecordStart.Request(
            episode_id=episode_id, task=planned.task, instruction=planned.instruction),
            self._wait)
        self._records_s = time.monotonic()
        return answer

    def freeze(self) -> Trigger.Response:
        """Record nothing more; keep or drop decides."""
        return call(self._freeze, Trigger.Request(), self._wait)

    def keep(self, success: bool | None, reason: str) -> RecordStop.Response:
        """End the episode and keep it."""
        return call(self._stop, RecordStop.Request(
            verdict=_VERDICTS[success], reason=reason[:256]), self._wait)

    def drop(self) -> Trigger.Response:
        """Forget the episode."""
        return call(self._discard, Trigger.Request(), self._wait)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == 'recorder: recording' and any(
                    pair.key == 'episode' and pair.value for pair in status.values):
                self._records_s = time.monotonic()
