"""The planner that needs no model: the language grammar, and the policy's own progress.

It hands out one subtask at a time, moves on when the policy reports the subtask as done,
tries a stuck one again, and gives up with a reason. All time is taken from the stamps of the
observations as integer nanoseconds, so a lockstep run repeats exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from vla_core.errors import InvalidDataError
from vla_core.types import ActionChunk, Done, Observation, Subtask
from vla_planner.language import parse
from vla_planner.schema import MAX_REASONING, Plan, PlanStep

_EPISODE_CHARS = 48  # of the 64 a subtask_id may have


@dataclass(frozen=True)
class PlannerConfig:
    """When the planner moves on, tries again and gives up."""

    progress_done: float = field(
        default=0.9,
        metadata={'description': 'progress that counts as done', 'range': (0.0, 1.0)},
    )
    progress_hysteresis: float = field(
        default=0.1,
        metadata={
            'description': 'how far below progress_done the count of done chunks restarts',
            'range': (0.0, 1.0),
        },
    )
    progress_chunks: int = field(
        default=6,
        metadata={'description': 'done chunks in a row before moving on', 'range': (1, 1000)},
    )
    final_chunks: int = field(
        default=18,
        metadata={
            'description': 'done chunks in a row before the last subtask ends; more than'
            ' progress_chunks, as after it nobody corrects what was reported too early',
            'range': (1, 1000),
        },
    )
    subtask_timeout_s: float = field(
        default=12.0,
        metadata={'description': 'time for one try of a subtask [s]', 'range': (0.1, 3600.0)},
    )
    max_retries: int = field(
        default=2,
        metadata={'description': 'further tries of a stuck subtask', 'range': (0, 20)},
    )
    ttl_s: float = field(
        default=2.0,
        metadata={
            'description': 'time after which the arm rests without a renewed subtask [s]',
            'range': (0.1, 60.0),
        },
    )

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        for name, setting in self.__dataclass_fields__.items():
            low, high = setting.metadata['range']
            if not low <= getattr(self, name) <= high:
                raise InvalidDataError(
                    f'{name}: got {getattr(self, name)}; allowed: {low} to {high}'
                )


@dataclass
class _Try:
    """One try of one step of the plan."""

    index: int
    attempt: int
    started_ns: int
    done_chunks: int = 0
    best_progress: float | None = None  # None: the policy has not answered yet


class EmbeddedPlanner:
    """Implements `vla_core.protocols.Planner` with the tasks' grammar."""

    def __init__(self, config: PlannerConfig | None = None) -> None:
        """Start without an instruction."""
        self.config = config or PlannerConfig()
        self.reset()

    def reset(self) -> None:
        """Forget the running instruction."""
        self._plan: Plan | None = None
        self._episode_id = ''
        self._try = _Try(0, 0, 0)
        self._seen_ns = -1

    def accept(self, instruction: str) -> Plan:
        """Return the plan for `instruction`; raise VlaError that says why it is refused."""
        return parse(instruction)

    def next(
        self, observation: Observation, instruction: str, history: Sequence[ActionChunk]
    ) -> Subtask | Done:
        """Return the subtask to pursue now, or the end of the instruction.

        A new instruction or episode is planned afresh. Raises VlaError for an instruction
        outside the language.
        """
        now_ns = observation.stamp_ns
        plan = self._plan_for(instruction, observation)
        self._hear(history)
        is_last = self._try.index + 1 == len(plan.steps)
        wanted = self.config.final_chunks if is_last else self.config.progress_chunks
        if self._try.done_chunks >= wanted:
            if is_last:
                return Done(True, _success(plan))
            self._try = _Try(self._try.index + 1, 0, now_ns)
        elif now_ns - self._try.started_ns >= round(self.config.subtask_timeout_s * 1e9):
            if self._try.attempt == self.config.max_retries:
                return Done(False, self._failure(plan.steps[self._try.index]))
            self._try = _Try(self._try.index, self._try.attempt + 1, now_ns)
        return self._subtask(plan, now_ns)

    def _plan_for(self, instruction: str, observation: Observation) -> Plan:
        plan, episode_id = self._plan, observation.episode_id
        if plan is None or (plan.instruction, self._episode_id) != (instruction, episode_id):
            plan = self._plan = self.accept(instruction)
            self._episode_id = episode_id
            self._try = _Try(0, 0, observation.stamp_ns)
            self._seen_ns = -1
        return plan

    def _hear(self, history: Sequence[ActionChunk]) -> None:
        """Take in the chunks that came since the last call, oldest first."""
        news: list[ActionChunk] = []
        for chunk in reversed(history):
            if chunk.stamp_ns <= self._seen_ns:
                break
            news.append(chunk)
        for chunk in reversed(news):
            self._seen_ns = chunk.stamp_ns
            if chunk.subtask_id == self._subtask_id():
                self._count(chunk.progress)

    def _count(self, progress: float) -> None:
        current, config = self._try, self.config
        current.best_progress = max(progress, current.best_progress or 0.0)
        # single precision as in the message, so that the graph and one process agree
        if np.float32(progress) >= np.float32(config.progress_done):
            current.done_chunks += 1
        elif np.float32(progress) < np.float32(config.progress_done - config.progress_hysteresis):
            current.done_chunks = 0

    def _subtask_id(self) -> str:
        return f'{self._episode_id[-_EPISODE_CHARS:]}/{self._try.index}.{self._try.attempt}'

    def _subtask(self, plan: Plan, now_ns: int) -> Subtask:
        step = plan.steps[self._try.index]
        return Subtask(
            subtask_id=self._subtask_id(),
            episode_id=self._episode_id,
            instruction=plan.instruction,
            text=step.text,
            reasoning=self._reasoning(plan, step),
            index=self._try.index,
            count=len(plan.steps),
            ttl_s=self.config.ttl_s,
            stamp_ns=now_ns,
        )

    def _reasoning(self, plan: Plan, step: PlanStep) -> str:
        text = f'step {self._try.index + 1} of {len(plan.steps)}: {step.reasoning}'
        if self._try.attempt:
            text += (
                f'; try {self._try.attempt + 1} of {self.config.max_retries + 1}:'
                f' not done within {self.config.subtask_timeout_s:g} s'
            )
        return text[:MAX_REASONING]

    def _failure(self, step: PlanStep) -> str:
        tries = self._try.attempt + 1
        reached = (
            'the policy did not answer' if self._try.best_progress is None
            else f'best progress of the last {self._try.best_progress:.2f}'
        )
        return (
            f'gave up on {step.text!r} after {tries} {"try" if tries == 1 else "tries"}'
            f' of {self.config.subtask_timeout_s:g} s: {reached}'
        )


def _success(plan: Plan) -> str:
    done = ', '.join(step.text for step in plan.steps)
    return f'done: {done}'[:512]
