"""The recorder as an operator's session uses it: its services, and what it says of itself."""

from collections.abc import Mapping
import time

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from std_srvs.srv import Trigger
from vla_bringup.services_node import call, Wait
from vla_bringup.session import PlannedEpisode
from vla_core.ros import qos
from vla_interfaces.srv import RecordStart, RecordStop

_IDLE_S = 6.0  # a recorder that says so long after a begin that it does not record has died
_SILENT_S = 15.0  # one that says nothing for so long has, too
_WRITE_S = 10.0  # for the last episode to reach the disk
_VERDICTS = {None: RecordStop.Request.KEEP, True: RecordStop.Request.SUCCESS,
             False: RecordStop.Request.FAILURE}


class RecorderClient:
    """Each call returns the recorder's answer: success, message, and perhaps an episode_id."""

    def __init__(self, node: Node, wait: Wait) -> None:
        self._wait = wait
        self._records_s = 0.0  # when it said last that it records [s]
        self._idle = False  # it said since that it does not
        self._kept = self._written = self._failed = self._lost = 0  # episodes; lost: not yet told
        self._start = node.create_client(RecordStart, 'recorder/start')
        self._stop = node.create_client(RecordStop, 'recorder/stop')
        self._freeze = node.create_client(Trigger, 'recorder/freeze')
        self._discard = node.create_client(Trigger, 'recorder/discard')
        node.create_subscription(
            DiagnosticArray, 'diagnostics', self._on_diagnostics, qos.SET_POINT)

    @property
    def lost(self) -> bool:
        """Whether an episode that was begun is not recorded: the recorder died meanwhile."""
        silent_s = time.monotonic() - self._records_s
        return silent_s > _SILENT_S or (self._idle and silent_s > _IDLE_S)

    def begin(self, planned: PlannedEpisode, episode_id: str) -> RecordStart.Response:
        """Begin an episode."""
        answer = call(self._start, RecordStart.Request(
            episode_id=episode_id, task=planned.task, instruction=planned.instruction),
            self._wait)
        self._records_s, self._idle = time.monotonic(), False
        return answer

    def freeze(self) -> Trigger.Response:
        """Record nothing more; keep or drop decides."""
        return call(self._freeze, Trigger.Request(), self._wait)

    def keep(self, success: bool | None, reason: str) -> RecordStop.Response:
        """End the episode and keep it."""
        answer = call(self._stop, RecordStop.Request(
            verdict=_VERDICTS[success], reason=reason[:256]), self._wait)
        self._kept += bool(answer.success)
        return answer

    def unwritten(self) -> int:
        """Return how many kept episodes could not be written since the last call."""
        lost, self._lost = self._lost, 0
        return lost

    def settle(self) -> None:
        """Wait until what was kept is on the disk, or is known not to be."""
        self._wait(lambda: self._written + self._failed >= self._kept, _WRITE_S)

    def drop(self) -> Trigger.Response:
        """Forget the episode."""
        return call(self._discard, Trigger.Request(), self._wait)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == 'recorder: recording':
                self._hear({pair.key: pair.value for pair in status.values})

    def _hear(self, said: Mapping[str, str]) -> None:
        self._idle = not said.get('episode')
        if not self._idle:
            self._records_s = time.monotonic()
        failed = int(said.get('episodes_failed', 0))
        self._lost += max(0, failed - self._failed)
        self._failed, self._written = failed, int(said.get('episodes_written', 0))
