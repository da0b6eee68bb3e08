"""The episode that is being recorded from raw topics: what is known of it beside its data."""

from collections.abc import Mapping, Sequence

from vla_core.episode import Episode, Intervention, SubtaskSpan
from vla_core.types import ControlStatus, Mode, Subtask
from vla_recorder.recording import cadence
from vla_recorder.recording.cadence import CadenceMeter
from vla_recorder.recording.raw_channels import Channel


class RawEpisode:
    """Spans, verdict and the cadence of one episode; its messages are on their way already."""

    def __init__(
        self, episode_id: str, robot: str, start_ns: int, channels: Sequence[Channel],
        by_operator: bool,
    ) -> None:
        self.episode_id, self.start_ns, self.by_operator = episode_id, start_ns, by_operator
        self.asked_id = episode_id  # as planner and simulator name it
        self.task = self.instruction = self.reason = ''
        self.success: bool | None = None
        self.over_ns: int | None = None  # stamp of the verdict that ended it
        self.frozen = False  # an operator has yet to say what becomes of it
        self.newest_ns = start_ns
        self.meters = {
            channel.topic: CadenceMeter(channel.rate_hz, start_ns, channel.regular)
            for channel in channels}
        self._robot = robot
        self._modes: list[tuple[int, Mode]] = []
        self._subtasks: list[tuple[int, str, str]] = []  # start [ns], key, text

    @property
    def dropped(self) -> int:
        """Number of messages for which there was no room."""
        return sum(meter.dropped for meter in self.meters.values())

    def on_status(self, status: ControlStatus) -> None:
        """Keep changes of the control mode."""
        if not self._modes or self._modes[-1][1] != status.mode:
            self._modes.append((max(status.stamp_ns, self.start_ns), status.mode))

    def on_subtask(self, subtask: Subtask) -> None:
        """Keep a subtask unless it renews the running one."""
        self.instruction = self.instruction or subtask.instruction
        self.begin_subtask(subtask.stamp_ns, subtask.subtask_id, subtask.text)

    def begin_subtask(self, stamp_ns: int, key: str, text: str) -> None:
        """Begin a subtask, which ends the one before."""
        if not self._subtasks or self._subtasks[-1][1] != key:
            self._subtasks.append((max(stamp_ns, self.start_ns), key, text))

    def report(self) -> Mapping[str, cadence.Cadence]:
        """Return the cadence of every stream that came or was promised."""
        whole = {topic: meter.report(self.end_ns) for topic, meter in self.meters.items()}
        return {topic: entry for topic, entry in whole.items()
                if entry.count or entry.dropped or entry.disordered or entry.gaps}

    @property
    def end_ns(self) -> int:
        """The instant at which it ends, as far as is known."""
        return self.newest_ns if self.over_ns is None else self.over_ns

    def header(self, complete: bool = False) -> Episode:
        """Return all that is known, without streams."""
        end_ns = max(self.end_ns, self.start_ns)
        return Episode(
            self.episode_id, self._robot, self.task, self.instruction, {}, self.success,
            subtasks=self._spans(end_ns), interventions=self._interventions(end_ns),
            meta={'reason': self.reason, 'complete': complete, 'start_ns': self.start_ns,
                  'end_ns': end_ns, 'dropped_messages': self.dropped,
                  'cadence': cadence.to_json(self.report())})

    def _spans(self, end_ns: int) -> tuple[SubtaskSpan, ...]:
        ends = [*[start for start, _, _ in self._subtasks[1:]], end_ns]
        return tuple(SubtaskSpan(start, max(start, end), text)
                     for (start, _, text), end in zip(self._subtasks, ends))

    def _interventions(self, end_ns: int) -> tuple[Intervention, ...]:
        ends = [*[start for start, _ in self._modes[1:]], end_ns]
        return tuple(Intervention(start, max(start, end), 'teleop')
                     for (start, mode), end in zip(self._modes, ends) if mode == Mode.TELEOP)
