"""Record raw topics at their own rates: each message as it came, in episodes.

An episode begins when the planner asks for something under a new episode id, or when an
operator says so; it ends with the task's outcome, with the next episode, with the operator's
word, or when nothing is asked any more. What goes wrong is said and counted, never covered:

disk        below the floor of free space the episode ends, and none begins until there is room
queue       a message for which there is no room is counted, by stream
camera      one that falls silent ends nothing; the cadence of the episode tells of it
clock       a stamp far before the last one of its stream ends the episode and begins a new one
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vla_core.episode import check_name
from vla_core.errors import InvalidDataError
from vla_core.types import ControlStatus, Subtask, TaskOutcome
from vla_recorder.live.thread import SinkThread
from vla_recorder.recording import cadence
from vla_recorder.recording.raw_channels import Channel
from vla_recorder.recording.raw_episode import RawEpisode
from vla_recorder.recording.space import SpaceFloor

EVE_NS = 100_000_000  # what was heard so long before an episode belongs to it still


@dataclass(frozen=True)
class RawLimits:
    """What the recorder must leave, and what it takes for the end of something."""

    min_free_bytes: int = 1_000_000_000
    jump_back_s: float = 0.5  # a stamp so long before the last of its stream: the clock was set
    automatic: bool = True  # the planner's subtasks begin episodes


@dataclass(frozen=True)
class RawState:
    """What the recorder has done so far."""

    episode_id: str  # of the running episode; empty while there is none
    written: int
    failed: int
    dropped_messages: int
    waiting_bytes: int
    free_bytes: int
    problem: str  # why it does not record now; empty while all is well


class RawRecorder:
    """Turns what is heard into episodes for a sink; `say` hears a line for all that matters.

    `say` is also called from the sink's threads.
    """

    def __init__(
        self, robot: str, channels: Sequence[Channel], thread: SinkThread,
        free_bytes: Callable[[], int], say: Callable[[str], None],
        limits: RawLimits = RawLimits(),
    ) -> None:
        self._robot, self._channels, self._thread = robot, channels, thread
        self._space = SpaceFloor(free_bytes, limits.min_free_bytes, say)
        self._say, self._limits = say, limits
        self._running: RawEpisode | None = None
        self._newest: dict[Channel, tuple[int, int, bytes]] = {}  # stamp, heard [ns], data
        self._settling = False
        self._status: ControlStatus | None = None
        self._subtask: Subtask | None = None
        self._ended_id = ''  # what is said of it no longer begins anything
        self._before_jump: dict[str, int] = {}  # topic -> its last stamp before the clock jumped
        self._told = {c.topic for c in channels if c.regular and 'camera_info' not in c.topic}
        self._dropped = self._begun = 0

    @property
    def state(self) -> RawState:
        """What was done so far."""
        running = self._running
        return RawState(
            running.episode_id if running else '', self._thread.written, self._thread.failed,
            self._dropped + (running.dropped if running else 0), self._thread.waiting_bytes,
            self._space.free_bytes, self._thread.problem or self._space.problem)

    # --- what is heard ------------------------------------------------------------------------

    def add(self, channel: Channel, stamp_ns: int, heard_ns: int, data: bytes) -> None:
        """Take one message."""
        self._newest[channel] = (stamp_ns, heard_ns, data)
        running = self._running
        if running is None or (running.over_ns is not None and stamp_ns > running.over_ns):
            return
        back_ns = running.meters[channel.topic].back_ns(stamp_ns)
        if back_ns > self._limits.jump_back_s * 1e9 and channel.regular:
            running = self._on_jump_back(channel, back_ns, stamp_ns)
            if running is None:
                return
        if self._before_jump and self._is_of_before(channel.topic, stamp_ns):
            running.meters[channel.topic].disordered += 1
            return
        self._put(running, channel, stamp_ns, heard_ns, data)

    def on_subtask(self, subtask: Subtask) -> None:
        """Take what the planner asks; a new episode id begins an episode."""
        self._subtask = subtask
        running = self._running
        if running is None or (
                subtask.episode_id != running.asked_id and not running.by_operator):
            if self._limits.automatic and subtask.episode_id != self._ended_id:
                self.finish('another episode began')
                self._begin(subtask.episode_id, subtask.stamp_ns, by_operator=False)
        if self._running and self._running.over_ns is None:
            self._running.on_subtask(subtask)

    def on_outcome(self, outcome: TaskOutcome) -> None:
        """Take the task's verdict; `settle` or the next episode ends what it judges."""
        running = self._running
        if running is None or running.over_ns is not None or not outcome.done:
            return
        if running.by_operator or running.asked_id == outcome.episode_id:
            running.success, running.reason = outcome.success, outcome.reason
            running.task = running.task or outcome.task
            if not running.by_operator:
                running.over_ns = max(outcome.stamp_ns, running.start_ns)

    def on_status(self, status: ControlStatus) -> None:
        """Take what the arm is allowed to do: the operator's interventions among it."""
        self._status = status
        if self._running:
            self._running.on_status(status)

    # --- what an operator says ----------------------------------------------------------------

    def start(
        self, stamp_ns: int, episode_id: str = '', task: str = '', instruction: str = '',
    ) -> str:
        """Begin an episode and return its id; raise InvalidDataError where that cannot be."""
        if self._running and (self._running.over_ns is None or self._running.frozen):
            raise InvalidDataError(
                f'start: got it while {self._running.episode_id} is recorded, '
                'allowed after stop or discard')
        name = check_name('episode id', episode_id or f'{self._robot}-{stamp_ns}')
        if task:
            check_name('task', task)
        self._end('')
        if not self._begin(name, stamp_ns, by_operator=True):
            raise InvalidDataError(f'start: {self.state.problem}')
        self._running.task, self._running.instruction = task, instruction
        return name

    def freeze(self, stamp_ns: int) -> str:
        """Take nothing more into the running episode; `stop` or `discard` says what becomes of it.

        Nothing of it is lost meanwhile that a kill would not take otherwise.
        """
        running = self._current('freeze')
        running.over_ns = max(stamp_ns, running.start_ns)
        running.frozen = running.by_operator = True  # nothing but the operator ends it
        return running.episode_id

    def stop(self, success: bool | None = None, reason: str = '') -> str:
        """End the running episode, keep it and return its id; None leaves its verdict."""
        running = self._current('stop')
        running.success = running.success if success is None else success
        running.reason = reason or running.reason or 'stopped by the operator'
        self._end('', complete=True)
        return running.episode_id

    def discard(self) -> str:
        """Forget the running episode and return its id."""
        running = self._current('discard')
        self._thread.discard()
        self._close_books(running)
        self._say(f'episode {running.episode_id}: discarded')
        return running.episode_id

    def label(
        self, stamp_ns: int, success: bool | None = None, task: str = '', instruction: str = '',
        subtask: str = '',
    ) -> str:
        """Say something about the running episode and return its id; what is empty stays."""
        running = self._current('label')
        if task:
            running.task = check_name('task', task)
        running.success = running.success if success is None else success
        running.instruction = instruction or running.instruction
        if subtask:
            running.begin_subtask(stamp_ns, f'label-{stamp_ns}', subtask)
        return running.episode_id

    # --- time ---------------------------------------------------------------------------------

    def settle(self, now_ns: int) -> None:
        """Look at disk and clock; call it a few times a second with the ROS clock [ns].

        After its verdict an episode waits for two calls: messages may still be on their way.
        """
        allowed = self._may_record()
        running = self._running
        settled, self._settling = self._settling, bool(running and running.over_ns is not None)
        if running is None:
            return
        subtask = self._subtask
        if not allowed:
            self._end(f'incomplete: {self.state.problem}')
        elif running.over_ns is not None:
            if settled and not running.frozen:
                self._end('', complete=True)
        elif not running.by_operator and subtask and subtask.episode_id == running.asked_id:
            if now_ns - subtask.stamp_ns > subtask.ttl_s * 1e9:
                self._end(f'nothing was asked for {subtask.ttl_s:g} s', complete=True)

    def finish(self, reason: str) -> None:
        """End the running episode now; without a verdict it is incomplete."""
        if self._running:
            self._end(f'incomplete: {reason}')

    def close(self) -> None:
        """Keep what is running and wait until it is on the disk."""
        self.finish('the recorder was stopped')
        self._thread.close()

    # --- episodes -----------------------------------------------------------------------------

    def _current(self, what: str) -> RawEpisode:
        if self._running is None:
            raise InvalidDataError(f'{what}: got no episode that is recorded, allowed after start')
        return self._running

    def _begin(self, episode_id: str, stamp_ns: int, *, by_operator: bool) -> bool:
        """Begin with what was said once for all or just now, unless the disk forbids it."""
        check_name('episode id', episode_id)
        if not self._may_record():
            self._ended_id = episode_id  # it could only be recorded in part
            return False
        self._begun += 1
        running = self._running = RawEpisode(
            episode_id, self._robot, stamp_ns, self._channels, by_operator)
        if self._status:
            running.on_status(self._status)
        self._thread.begin(running.header())
        eve = sorted(self._newest.items(), key=lambda item: bool(item[0].stream))
        for channel, (sent_ns, heard_ns, data) in eve:  # a picture after all that explains it
            if channel.latched or stamp_ns - EVE_NS <= sent_ns <= stamp_ns + EVE_NS:
                begun_ns = stamp_ns if channel.latched else sent_ns  # it is so still
                self._put(running, channel, begun_ns, heard_ns, data)
        self._say(f'episode {episode_id}: recording')
        return True

    def _put(
        self, running: RawEpisode, channel: Channel, stamp_ns: int, heard_ns: int, data: bytes,
    ) -> None:
        meter = running.meters[channel.topic]
        if channel.stream and meter.back_ns(stamp_ns) >= 0:  # of pictures the order matters
            meter.disordered += 1
            return
        if not self._thread.put(channel, stamp_ns, heard_ns, data):
            meter.dropped += 1
            if running.dropped == 1:
                self._say(f'episode {running.episode_id}: dropping messages, '
                          f'{channel.topic} first: the disk or the encoder is too slow')
            return
        meter.on_message(stamp_ns, heard_ns)
        if channel.regular and stamp_ns > running.newest_ns:
            running.newest_ns = stamp_ns

    def _end(self, reason: str, complete: bool = False) -> None:
        """Hand over the running episode, if there is one; its verdict makes it complete."""
        running = self._running
        if running is None:
            return
        running.reason = running.reason or reason
        self._thread.end(running.header(complete or running.over_ns is not None))
        self._close_books(running)
        span_s = (running.end_ns - running.start_ns) / 1e9
        self._say(f'episode {running.episode_id}: {span_s:.1f} s, '
                  f'{cadence.to_line(running.report(), self._told)}')

    def _close_books(self, running: RawEpisode) -> None:
        self._running = None
        self._dropped += running.dropped
        self._ended_id = running.episode_id
        self._before_jump = {}

    def _on_jump_back(self, channel: Channel, back_ns: int, stamp_ns: int) -> RawEpisode | None:
        """End the episode and begin a new one, which is returned, at the time that is now."""
        running = self._running
        lasts = {topic: meter.last_ns for topic, meter in running.meters.items()
                 if meter.last_ns is not None and topic != channel.topic}
        told = f'the clock jumped back by {back_ns / 1e9:.1f} s ({channel.topic})'
        self._say(f'episode {running.episode_id}: {told}')
        self._end(f'incomplete: {told}')
        self._newest = {c: message for c, message in self._newest.items() if c.latched}
        name = f'{running.asked_id}-{self._begun}'
        if self._begin(name, stamp_ns, by_operator=running.by_operator):
            self._before_jump = lasts
            self._running.asked_id = running.asked_id
            self._running.task, self._running.instruction = running.task, running.instruction
        return self._running

    def _is_of_before(self, topic: str, stamp_ns: int) -> bool:
        """Say whether a message was still on its way when the clock was set back."""
        last_ns = self._before_jump.get(topic)
        if last_ns is None:
            return False
        if stamp_ns >= last_ns:
            return True
        del self._before_jump[topic]
        return False

    def _may_record(self) -> bool:
        return self._space.look() and not self._thread.problem
