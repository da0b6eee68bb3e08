"""Who moves the arm: emergency stop over fault over teleoperation over policy, or nobody.

All ages are on the steady clock, which the caller passes in: it runs on when the ROS clock
freezes. Losing a source is no fault: the arm holds, says why, and goes on with the next chunk.

A person who took the arm keeps it until it is handed back, whatever becomes of the device: a
policy that goes on by itself when a cable falls out is what somebody just took it from. Of two
devices the first has the arm; the other may take it once the first has fallen silent.
"""

from dataclasses import dataclass

from vla_core.control.config import ControlConfig
from vla_core.spec import RobotSpec
from vla_core.types import is_teleop, Mode, Subtask


@dataclass(frozen=True)
class Decision:
    """The mode of one control period."""

    mode: Mode
    reason: str
    source: str = ''

    @property
    def moves(self) -> bool:
        """Whether the arm follows a source."""
        return self.mode in (Mode.POLICY, Mode.TELEOP)


class Mux:
    """Keeps what was last heard of whom, and decides."""

    def __init__(self, spec: RobotSpec, config: ControlConfig) -> None:
        self._max_state_age_s = spec.policy.max_joint_state_age_s
        self._silence_s = config.max_chunk_silence_s
        self._estop = ''
        self._fault = ''
        self._owner = ''  # the device of a person who has not handed the arm back
        self.reset(0.0)

    def reset(self, steady_s: float) -> None:
        """Forget what was heard; a fault, an emergency stop and a take-over stay."""
        self._joint_state_s = steady_s
        self._subtask: Subtask | None = None
        self._subtask_s = steady_s
        self._source = ''
        self._chunk_s = steady_s
        self._rejection = ''

    @property
    def episode_id(self) -> str | None:
        """The episode of the current subtask."""
        return self._subtask.episode_id if self._subtask else None

    def hear_joint_state(self, steady_s: float) -> None:
        """Note that the arm reports."""
        self._joint_state_s = steady_s

    def hear_subtask(self, subtask: Subtask | None, steady_s: float) -> None:
        """Note what the planner wants, or with None that it wants nothing."""
        self._subtask = subtask
        self._subtask_s = steady_s

    def hear_chunk(self, source: str, steady_s: float) -> None:
        """Note an accepted chunk: its source has the arm."""
        self._source, self._chunk_s, self._rejection = source, steady_s, ''
        if is_teleop(source):
            self._owner = source

    def hand_back(self) -> str:
        """End a take-over: the policy may have the arm; return whose it was, '' for nobody's."""
        owner, self._owner = self._owner, ''
        return owner

    def hear_rejection(self, source: str, reason: str) -> None:
        """Note a rejected chunk: the arm holds until its source sends a good one."""
        self._rejection = f'{source}: chunk rejected: {reason}'

    def stop(self, reason: str) -> None:
        """Latch an emergency stop."""
        self._estop = reason

    def release_stop(self) -> None:
        """End the emergency stop."""
        self._estop = ''

    def fault(self, reason: str) -> None:
        """Latch a fault; the first reason stays."""
        self._fault = self._fault or reason

    def clear_fault(self) -> None:
        """End the fault."""
        self._fault = ''

    def refusal(self, source: str, steady_s: float) -> str:
        """Return why `source` may not have the arm now, or nothing if it may."""
        if self._estop or self._fault:
            return self._estop or self._fault
        if self._owner and source != self._owner:
            silent = steady_s - self._chunk_s > self._silence_s
            return '' if is_teleop(source) and silent else f'{self._owner} has the arm'
        return '' if is_teleop(source) else self._lapse(steady_s)

    def decide(self, steady_s: float, running: bool) -> Decision:
        """Return the mode of the control period that begins; `running`: a chunk has rows left."""
        if self._estop:
            return Decision(Mode.ESTOP, self._estop)
        if self._fault:
            return Decision(Mode.FAULT, self._fault)
        problem = self._problem(steady_s, running)
        if problem:
            return Decision(Mode.HOLD, problem, self._source)
        mode = Mode.TELEOP if is_teleop(self._source) else Mode.POLICY
        return Decision(mode, '', self._source)

    def _problem(self, steady_s: float, running: bool) -> str:
        state_age = steady_s - self._joint_state_s
        if state_age > self._max_state_age_s:
            return f'joint states: none for {state_age:.2f} s'
        if self._rejection:
            return self._rejection
        if not self._source and self._owner:
            return f'{self._owner} has the arm'
        if not self._source:
            return (self._lapse(steady_s) if self._subtask else '') or 'no chunk yet'
        if not is_teleop(self._source) and self._lapse(steady_s):
            return self._lapse(steady_s)
        silence = steady_s - self._chunk_s
        if silence > self._silence_s:
            return f'{self._source}: no chunk for {silence:.2f} s'
        return '' if running else f'{self._source}: chunk has run out'

    def _lapse(self, steady_s: float) -> str:
        if self._subtask is None:
            return 'planner: no subtask'
        age = steady_s - self._subtask_s
        if age > self._subtask.ttl_s:
            return f'planner: subtask not renewed for {age:.2f} s, ttl {self._subtask.ttl_s:g} s'
        return ''
