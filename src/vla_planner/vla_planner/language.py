"""Understand an instruction: a sentence of the tasks' language becomes a plan, or is refused.

`clauses` cuts the sentence up, `grammar` reads each clause, and this module resolves pronouns
and joins what is one deed ("pick up the red block and put it in the bowl").
"""

from collections.abc import Sequence
from dataclasses import dataclass
import difflib

from vla_core.errors import VlaError
from vla_core.tasks import TASKS
from vla_planner import clauses
from vla_planner.grammar import (
    Frame,
    GrammarError,
    is_preparation,
    read_frame,
    refer,
    tasks_of,
)
from vla_planner.schema import MAX_STEPS, Plan, PlanStep

_NEAREST = 3
_SHOWN_CHARS = 80


class UnknownInstructionError(VlaError, ValueError):
    """An instruction outside the tasks' language; the message names the nearest known ones."""

    def __init__(self, instruction: str, reason: str) -> None:
        shown = instruction
        if len(shown) > _SHOWN_CHARS:
            shown = f'{shown[:_SHOWN_CHARS]}...'
        near = '; '.join(nearest(instruction))
        super().__init__(f'unknown instruction {shown!r}: {reason}; nearest: {near}')


@dataclass(frozen=True)
class Deed:
    """What one or more clauses ask for."""

    tasks: tuple[str, ...]
    frame: Frame
    words: tuple[str, ...]  # the user's words, for the reasoning
    by_pronoun: bool


def parse(instruction: str) -> Plan:
    """Return the plan for `instruction`; raise VlaError naming why it is refused.

    A step tells the policy the user's own clause where that is a sentence of the training
    data, and otherwise the canonical sentence of its task.
    """
    text = clauses.normalise(instruction)
    try:
        deeds = _deeds(clauses.split(text))
        count = sum(len(deed.tasks) for deed in deeds)
        if not 1 <= count <= MAX_STEPS:
            raise GrammarError(f'{count} steps; allowed: 1 to {MAX_STEPS}')
    except GrammarError as error:
        raise UnknownInstructionError(instruction, str(error)) from None
    return Plan(instruction, tuple(_step(deed, name) for deed in deeds for name in deed.tasks))


def nearest(instruction: str, count: int = _NEAREST) -> list[str]:
    """Return known sentences like `instruction`, one a task, the most like first."""
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(instruction.lower()[:clauses.MAX_CHARS])
    best = [max((_likeness(matcher, s), s) for s in t.instructions) for t in TASKS.values()]
    return [sentence for _, sentence in sorted(best, reverse=True)[:count]]


def _likeness(matcher: difflib.SequenceMatcher, sentence: str) -> float:
    matcher.set_seq1(sentence)
    return matcher.ratio()


def _deeds(parts: Sequence[tuple[str, ...]]) -> list[Deed]:
    deeds: list[Deed] = []
    preparation: tuple[Frame, tuple[str, ...]] | None = None
    for words in parts:
        frame = read_frame(words)
        if preparation is None and is_preparation(frame) and words != parts[-1]:
            preparation = (frame, words)
            continue
        deed = _deed(frame, words, deeds)
        if preparation is not None:
            deed = _prepared(deed, *preparation)
            preparation = None
        _append(deeds, deed)
    if preparation is not None:
        raise GrammarError(f'{clauses.plain(preparation[1])!r} leads to nothing')
    return deeds


def _deed(frame: Frame, words: tuple[str, ...], before: Sequence[Deed]) -> Deed:
    if not frame.pronoun:
        return Deed(tasks_of(frame), frame, words, by_pronoun=False)
    if frame.kinds:
        raise GrammarError(f'it is unclear what {frame.pronoun!r} stands for')
    for deed in reversed(before):
        meant = refer(frame, deed.frame)
        if not _is_meaningful(meant):
            continue
        if (len(meant.colours) > 1) != (frame.pronoun == 'them'):
            break
        return Deed(tasks_of(meant), meant, words, by_pronoun=True)
    raise GrammarError(f'it is unclear what {frame.pronoun!r} stands for')


def _is_meaningful(frame: Frame) -> bool:
    try:
        tasks_of(frame)
    except GrammarError:
        return False
    return True


def _prepared(deed: Deed, frame: Frame, words: tuple[str, ...]) -> Deed:
    """Join "grab the handle" or "grasp" with the deed it prepares."""
    wanted = 'drawer' if frame.kinds else 'block'
    if wanted not in deed.frame.kinds and 'handle' not in deed.frame.kinds:
        raise GrammarError(f'{clauses.plain(words)!r} leads to nothing')
    return Deed(deed.tasks, deed.frame, (*words, 'and', *deed.words), deed.by_pronoun)


def _append(deeds: list[Deed], deed: Deed) -> None:
    """Append `deed`, joined with the one before where both are one deed."""
    if deeds and _is_one_deed(deeds[-1], deed):
        last = deeds.pop()
        deed = Deed(deed.tasks, deed.frame, (*last.words, 'and', *deed.words), last.by_pronoun)
    deeds.append(deed)


def _is_one_deed(first: Deed, second: Deed) -> bool:
    if first.frame.kinds == {'handle'} and first.tasks == second.tasks:
        return second.frame.kinds == {'drawer'}
    lifted = all(name.startswith('lift_') for name in first.tasks)
    return second.by_pronoun and lifted and first.frame.colours == second.frame.colours


def _step(deed: Deed, name: str) -> PlanStep:
    said, known = clauses.plain(deed.words), TASKS[name]
    if said in known.instructions:
        return PlanStep(name, said, f'{said!r} asks for {name}')
    reasoning = f'{said!r} asks for {name}; the policy is told the known {known.canonical!r}'
    return PlanStep(name, known.canonical, reasoning)
