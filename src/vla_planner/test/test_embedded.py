"""Laws of the embedded planner: when it moves on, tries again, and ends."""

from collections.abc import Iterator

import numpy as np
import pytest
from vla_core.errors import VlaError
from vla_core.types import ActionChunk, Done, Observation, Representation, Subtask
from vla_planner.embedded import EmbeddedPlanner, PlannerConfig
from vla_planner.schema import MAX_REASONING

COMPOUND = 'put the red block in the bowl, then close the drawer'


def observation(step: int, episode_id: str = 'e1', start_ns: int = 0) -> Observation:
    """Return what is seen at a policy step; the planner reads stamp and episode only."""
    pose = np.array([0.4, 0.0, 0.3, 1.0, 0.0, 0.0, 0.0])
    return Observation(
        start_ns + step * 1_000_000_000 // 12, episode_id, {}, np.zeros(7), np.zeros(7), pose, 1.0
    )


def answer(subtask: Subtask, progress: float, sequence: int = 0) -> ActionChunk:
    """Return the policy's chunk for a subtask."""
    return ActionChunk(
        subtask.stamp_ns, sequence, subtask.episode_id, subtask.subtask_id, 'fake',
        Representation.EE_DELTA, 1 / 12, np.zeros((4, 7), np.float32), progress,
    )


class Run:
    """A fake loop of planner and policy."""

    def __init__(self, instruction: str, start_ns: int = 0, **config: float) -> None:
        self.planner = EmbeddedPlanner(PlannerConfig(**config))
        self.instruction = instruction
        self.start_ns = start_ns
        self.history: list[ActionChunk] = []
        self.steps = 0

    def step(self, progress: float | None) -> Subtask | Done:
        """Ask once; answer with `progress` unless the policy is silent."""
        seen = observation(self.steps, start_ns=self.start_ns)
        word = self.planner.next(seen, self.instruction, self.history)
        self.steps += 1
        if isinstance(word, Subtask) and progress is not None:
            self.history.append(answer(word, progress, len(self.history)))
        return word

    def until_change(self, progress: float | None) -> Iterator[Subtask | Done]:
        """Yield each new subtask and the end, the policy always at the same progress."""
        last = ''
        while True:
            word = self.step(progress)
            if isinstance(word, Done):
                yield word
                return
            if word.subtask_id != last:
                last = word.subtask_id
                yield word


def test_subtasks_follow_in_order_and_end_in_success() -> None:
    words = list(Run(COMPOUND).until_change(1.0))
    assert [word.subtask_id for word in words[:-1]] == ['e1/0.0', 'e1/1.0']
    assert [word.text for word in words[:-1]] == COMPOUND.split(', then ')
    assert [(word.index, word.count) for word in words[:-1]] == [(0, 2), (1, 2)]
    assert words[-1] == Done(True, 'done: put the red block in the bowl, close the drawer')


def test_every_observation_renews_the_subtask() -> None:
    run = Run(COMPOUND)
    words = [run.step(0.2) for _ in range(5)]
    assert [word.stamp_ns for word in words] == [1_000_000_000 * i // 12 for i in range(5)]
    assert {word.subtask_id for word in words} == {'e1/0.0'}
    assert {word.ttl_s for word in words} == {PlannerConfig().ttl_s}


def test_one_lucky_chunk_does_not_end_a_subtask() -> None:
    run = Run(COMPOUND, progress_chunks=3)
    words = [run.step(p) for p in (0.95, 0.95, 0.2, 0.95, 0.95, 0.2, 0.3)]
    assert {word.subtask_id for word in words} == {'e1/0.0'}


def test_progress_inside_the_hysteresis_neither_counts_nor_restarts() -> None:
    run = Run(COMPOUND, progress_chunks=3)
    for progress in (0.95, 0.85, 0.95, 0.85):
        assert run.step(progress).subtask_id == 'e1/0.0'
    assert run.step(0.9).subtask_id == 'e1/0.0'
    assert run.step(0.0).subtask_id == 'e1/1.0'


def test_progress_of_an_earlier_subtask_does_not_count_for_the_next() -> None:
    run = Run(COMPOUND, progress_chunks=1)
    first = run.step(1.0)
    second = run.step(None)
    assert second.subtask_id == 'e1/1.0'
    late = ActionChunk(
        second.stamp_ns, 1, 'e1', first.subtask_id, 'fake', Representation.EE_DELTA, 1 / 12,
        np.zeros((4, 7), np.float32), 1.0,
    )
    run.history.append(late)
    assert run.step(None).subtask_id == 'e1/1.0'


def test_the_last_subtask_ends_later_than_the_others() -> None:
    run = Run('open the drawer', progress_chunks=2, final_chunks=5)
    assert isinstance([run.step(1.0) for _ in range(5)][-1], Subtask)
    assert isinstance(run.step(1.0), Done)


def test_a_stuck_subtask_is_tried_again_then_given_up_with_a_reason() -> None:
    run = Run(COMPOUND, subtask_timeout_s=2.0, max_retries=2)
    words = list(run.until_change(0.4))
    assert [word.subtask_id for word in words[:-1]] == ['e1/0.0', 'e1/0.1', 'e1/0.2']
    assert 'try 2 of 3' in words[1].reasoning
    assert words[-1] == Done(
        False,
        "gave up on 'put the red block in the bowl' after 3 tries of 2 s:"
        ' best progress of the last 0.40',
    )
    assert run.steps == 3 * 2 * 12 + 1


def test_a_silent_policy_is_named() -> None:
    words = list(Run(COMPOUND, subtask_timeout_s=1.0, max_retries=0).until_change(None))
    assert words[-1].message.endswith('after 1 try of 1 s: the policy did not answer')


def test_the_clock_offset_changes_nothing_but_stamps() -> None:
    runs = [Run(COMPOUND, start, subtask_timeout_s=1.5) for start in (0, 123_456_789_012)]
    ids = [[w.subtask_id for w in run.until_change(0.5) if isinstance(w, Subtask)] for run in runs]
    assert ids[0] == ids[1]
    assert runs[0].steps == runs[1].steps


def test_progress_counts_alike_before_and_after_a_float32_message() -> None:
    for progress in (0.9, float(np.float32(0.9))):
        words = list(Run('open the drawer', final_chunks=1).until_change(progress))
        assert words[-1].success


def test_a_new_episode_or_instruction_is_planned_afresh() -> None:
    run = Run(COMPOUND)
    list(run.until_change(1.0))
    again = run.planner.next(observation(0, 'e2'), COMPOUND, [])
    assert again.subtask_id == 'e2/0.0'
    other = run.planner.next(observation(1, 'e2'), 'press the button', [])
    assert (other.text, other.count) == ('press the button', 1)


def test_subtasks_fit_their_message() -> None:
    planner = EmbeddedPlanner()
    long = ', '.join(['pick up the red block and put it in the bowl'] * 10)
    word = planner.next(observation(0, 'e' * 64), long, [])
    assert len(word.subtask_id) <= 64
    assert len(word.reasoning) <= MAX_REASONING


def test_unknown_instructions_are_refused_at_once() -> None:
    with pytest.raises(VlaError, match='nearest'):
        EmbeddedPlanner().accept('make coffee')


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(VlaError, match='progress_done: got 1.5; allowed: 0.0 to 1.0'):
        PlannerConfig(progress_done=1.5)
