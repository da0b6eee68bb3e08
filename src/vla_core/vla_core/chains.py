"""Chains of five tasks that can follow one another on the table, CALVIN's long-horizon exam.

The rules and the sampling are those of Mees et al. 2022 (CALVIN, `multistep_sequences`): a chain
is uniform among the sequences of five tasks, no two of one category, that each have exactly one
outcome where the one before left the table; its start is one of 192, each as often as any other.
Like CALVIN's, `place_in_slider` leaves the block on the side the door is on, although only the
other side is open to the hand: what follows on the symbols may then not be what is in reach.
"""

import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
import functools
import itertools

import numpy as np
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.tasks import BLOCK_COLOURS

CHAINS_SEED = 100_000
CHAIN_LENGTH = 5
CHAIN_COUNT = 1000  # of the exam
SIDES = ('right', 'left')
PLACES = (
    'table', 'slider_right', 'slider_left', 'drawer', 'grasped', 'stacked_top', 'stacked_bottom'
)

_START_STREAM = 21
_TASKS_STREAM = 22


@dataclass(frozen=True)
class TableState:
    """What the rules know of the table."""

    led: bool
    lightbulb: bool
    slider: str  # the side the door is on, one of SIDES
    drawer: str  # 'open' or 'closed'
    red_block: str  # one of PLACES, as for the other two
    blue_block: str
    pink_block: str

    @property
    def blocks(self) -> Mapping[str, str]:
        """Return the place of each block by the block's name."""
        return {f'{colour}_block': getattr(self, f'{colour}_block') for colour in BLOCK_COLOURS}

    @property
    def grasped(self) -> bool:
        """Say whether the robot holds a block."""
        return 'grasped' in self.blocks.values()


@dataclass(frozen=True)
class Chain:
    """Tasks to be done one after another without a reset between them."""

    index: int
    seed: int  # of the episode: the scene's poses and the sentences
    start: TableState
    tasks: tuple[str, ...]  # CHAIN_LENGTH names


@dataclass(frozen=True)
class Rule:
    """One way a task can go; a task with several has the one that fits the table."""

    task: str
    category: str  # a chain has no two tasks of one
    before: Mapping[str, tuple[str | bool, ...]]  # the allowed values of fields of TableState
    after: Mapping[str, str | bool] = field(default_factory=dict)  # the fields it changes
    grasped: bool = False  # whether the robot must hold a block

    def outcome(self, state: TableState) -> TableState | None:
        """Return what the task leaves of `state`, or None where the rule does not fit."""
        fits = state.grasped == self.grasped and all(
            getattr(state, name) in allowed for name, allowed in self.before.items()
        )
        return replace(state, **self.after) if fits else None


def _fixture_rules() -> Iterator[Rule]:
    for here, there in itertools.permutations(SIDES):
        yield Rule(f'move_slider_{there}', 'slider', {'slider': (here,)}, {'slider': there})
    yield Rule('open_drawer', 'drawer', {'drawer': ('closed',)}, {'drawer': 'open'})
    yield Rule('close_drawer', 'drawer', {'drawer': ('open',)}, {'drawer': 'closed'})
    for lamp in ('led', 'lightbulb'):
        yield Rule(f'turn_on_{lamp}', 'light', {lamp: (False,)}, {lamp: True})
        yield Rule(f'turn_off_{lamp}', 'light', {lamp: (True,)}, {lamp: False})


def _block_rules(block: str, others: tuple[str, ...]) -> Iterator[Rule]:
    for deed, side in itertools.product(('rotate', 'push'), SIDES):
        yield Rule(f'{deed}_{block}_{side}', 'rotate_or_push', {block: ('table',)})
    yield from _lift_rules(block)
    for side in SIDES:
        held, put = {block: ('grasped',), 'slider': (side,)}, {block: f'slider_{side}'}
        yield Rule('place_in_slider', 'place', held, put, grasped=True)
    held = {block: ('grasped',), 'drawer': ('open',)}
    yield Rule('place_in_drawer', 'place', held, {block: 'drawer'}, grasped=True)
    alone = {block: ('table',), **dict.fromkeys(others, ('slider_right', 'slider_left'))}
    alone_by_drawer = {**alone, 'drawer': ('open',)}
    yield Rule('push_into_drawer', 'push_into_drawer', alone_by_drawer, {block: 'drawer'})
    for other in others:
        tower = {block: 'stacked_top', other: 'stacked_bottom'}
        held = {block: ('grasped',), other: ('table',)}
        yield Rule('stack_block', 'stack', held, tower, grasped=True)
        stacked = {name: (place,) for name, place in tower.items()}
        yield Rule('unstack_block', 'unstack', stacked, dict.fromkeys(tower, 'table'))


def _lift_rules(block: str) -> Iterator[Rule]:
    held = {block: 'grasped'}
    yield Rule(f'lift_{block}_table', 'lift_table', {block: ('table',)}, held)
    for door, side in itertools.permutations(SIDES):
        uncovered = {block: (f'slider_{side}',), 'slider': (door,)}
        yield Rule(f'lift_{block}_slider', 'lift_slider', uncovered, held)
    in_reach = {block: ('drawer',), 'drawer': ('open',)}
    yield Rule(f'lift_{block}_drawer', 'lift_drawer', in_reach, held)


def _all_rules() -> Mapping[str, tuple[Rule, ...]]:
    blocks = [f'{colour}_block' for colour in BLOCK_COLOURS]
    rules = list(_fixture_rules())
    for block in blocks:
        rules += _block_rules(block, tuple(other for other in blocks if other != block))
    names = sorted({rule.task for rule in rules})
    return {name: tuple(rule for rule in rules if rule.task == name) for name in names}


RULES: Mapping[str, tuple[Rule, ...]] = _all_rules()


def outcomes(state: TableState, task: str) -> tuple[TableState, ...]:
    """Return every state that `task` may leave of `state`; raise UnknownNameError if unknown.

    None where the task cannot be done; two where a held block can be stacked on either other.
    """
    if task not in RULES:
        raise UnknownNameError('task', task, RULES)
    return tuple(after for rule in RULES[task] if (after := rule.outcome(state)) is not None)


def possible(state: TableState) -> tuple[str, ...]:
    """Return the tasks that have exactly one outcome from `state`, sorted."""
    return tuple(_successors(state))


def apply(state: TableState, task: str) -> TableState:
    """Return the one outcome of `task`; raise VlaError where there is none or more than one."""
    found = outcomes(state, task)
    if len(found) != 1:
        allowed = ', '.join(possible(state))
        raise InvalidDataError(f'{task}: {len(found)} outcomes from {state}; allowed: {allowed}')
    return found[0]


@functools.cache
def starts() -> tuple[TableState, ...]:
    """Return the 192 states a chain may start from.

    One or two blocks are on the table, at most one on each side of the cabinet.
    """
    lights = itertools.product((False, True), (False, True), SIDES, ('closed', 'open'))
    places = [
        blocks
        for blocks in itertools.product(PLACES[:3], repeat=len(BLOCK_COLOURS))
        if 'table' in blocks and max(blocks.count(f'slider_{side}') for side in SIDES) < 2
        and blocks.count('table') < len(blocks)
    ]
    return tuple(TableState(*a, *b) for a, b in itertools.product(lights, places))


def chains(count: int = CHAIN_COUNT, seed: int = CHAINS_SEED) -> tuple[Chain, ...]:
    """Return the first `count` chains of `seed`, always the same ones and no two alike.

    The exam is that of CHAINS_SEED; other seeds give chains to train and tune on.
    """
    if not 1 <= count <= CHAIN_COUNT:
        raise InvalidDataError(f'count of chains: got {count}; allowed: 1 to {CHAIN_COUNT}')
    drawn: dict[tuple[TableState, tuple[str, ...]], Chain] = {}
    for index, start in enumerate(itertools.islice(_shuffled_starts(seed), count)):
        rng = np.random.default_rng([seed + index, _TASKS_STREAM])
        tasks = _draw(start, rng)
        while (start, tasks) in drawn:
            tasks = _draw(start, rng)
        drawn[start, tasks] = Chain(index, seed + index, start, tasks)
    return tuple(drawn.values())


def _shuffled_starts(seed: int) -> Iterator[TableState]:
    """Yield all starts in a random order, then all in another, without end."""
    for lap in itertools.count():
        rng = np.random.default_rng([seed + lap, _START_STREAM])
        yield from (starts()[i] for i in rng.permutation(len(starts())))


def _draw(start: TableState, rng: np.random.Generator) -> tuple[str, ...]:
    return sequence(start, int(rng.integers(sequence_count(start))))


def sequence_count(start: TableState) -> int:
    """Count the task sequences that make a chain from `start`."""
    return _ways(start, frozenset(), CHAIN_LENGTH)


def sequence(start: TableState, rank: int) -> tuple[str, ...]:
    """Return the `rank`-th of the sequences from `start`, which are in alphabetical order."""
    if not 0 <= rank < sequence_count(start):
        allowed = f'0 to {sequence_count(start) - 1}'
        raise InvalidDataError(f'rank of a sequence: got {rank}; allowed: {allowed}')
    state = start
    tasks: list[str] = []
    used: frozenset[str] = frozenset()
    for left in reversed(range(CHAIN_LENGTH)):
        steps = list(_next(state, used))
        ways = [_ways(after, used | {category}, left) for _, category, after in steps]
        ends = list(itertools.accumulate(ways))
        pick = bisect.bisect_right(ends, rank)
        rank -= ends[pick] - ways[pick]
        name, category, state = steps[pick]
        tasks.append(name)
        used |= {category}
    return tuple(tasks)


@functools.cache
def _ways(state: TableState, used: frozenset[str], left: int) -> int:
    """Count the sequences of `left` tasks from `state` without the `used` categories."""
    if left == 0:
        return 1
    return sum(_ways(after, used | {kind}, left - 1) for _, kind, after in _next(state, used))


def _next(state: TableState, used: frozenset[str]) -> Iterator[tuple[str, str, TableState]]:
    for name, after in _successors(state).items():
        if (category := RULES[name][0].category) not in used:
            yield name, category, after


@functools.cache
def _successors(state: TableState) -> Mapping[str, TableState]:
    found = ((name, outcomes(state, name)) for name in RULES)
    return {name: after[0] for name, after in found if len(after) == 1}
