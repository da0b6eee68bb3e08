"""Laws of the chains: what may follow what on the table, and which chains the exam asks for."""

from dataclasses import replace
import itertools
import os
import re
import subprocess
import sys
import zlib

import pytest
from vla_core.chains import (
    apply,
    Chain,
    CHAIN_LENGTH,
    chains,
    outcomes,
    PLACES,
    possible,
    RULES,
    sequence,
    sequence_count,
    SIDES,
    starts,
    TableState,
)
from vla_core.errors import UnknownNameError, VlaError
from vla_core.tasks import SUITES

EXAM = chains()
START = TableState(
    led=False, lightbulb=True, slider='right', drawer='open',
    red_block='table', blue_block='slider_left', pink_block='slider_right',
)
KINDS = (
    r'(rotate|push)_\w+_block_\w+', r'move_slider_\w+', r'(open|close)_drawer', r'lift_\w+_table',
    r'lift_\w+_slider', r'lift_\w+_drawer', r'place_in_\w+', r'turn_\w+', 'push_into_drawer',
    'stack_block', 'unstack_block',
)


def slow_outcomes(state: TableState, task: str) -> set[TableState]:
    """Say again, word by word and without the rules' data, what a task does."""
    words, blocks = task.split('_'), dict(state.blocks)
    others = {name: {o: p for o, p in blocks.items() if o != name} for name in blocks}
    held = [name for name, place in blocks.items() if place == 'grasped']
    found: set[TableState] = set()
    if task in ('place_in_slider', 'place_in_drawer'):
        place = f'slider_{state.slider}' if task == 'place_in_slider' else 'drawer'
        if held and (place != 'drawer' or state.drawer == 'open'):
            found = {replace(state, **{name: place}) for name in held}
    elif task == 'stack_block':
        for name in held:
            for other, place in others[name].items():
                if place == 'table':
                    found.add(replace(state, **{name: 'stacked_top', other: 'stacked_bottom'}))
    elif held:
        pass
    elif words[0] in ('rotate', 'push') and words[1] != 'into':
        if blocks[f'{words[1]}_block'] == 'table':
            found = {state}
    elif words[0] == 'lift':
        name, place = f'{words[1]}_block', blocks[f'{words[1]}_block']
        free = {'table': place == 'table', 'drawer': (place, state.drawer) == ('drawer', 'open'),
                'slider': (place, state.slider) in (('slider_left', 'right'),
                                                    ('slider_right', 'left'))}
        if free[words[3]]:
            found = {replace(state, **{name: 'grasped'})}
    elif task == 'push_into_drawer':
        for name, rest in others.items():
            hidden = all(place.startswith('slider') for place in rest.values())
            if blocks[name] == 'table' and hidden and state.drawer == 'open':
                found.add(replace(state, **{name: 'drawer'}))
    elif task == 'unstack_block':
        for name, rest in others.items():
            for other, place in rest.items():
                if (blocks[name], place) == ('stacked_top', 'stacked_bottom'):
                    found.add(replace(state, **{name: 'table', other: 'table'}))
    elif words[0] == 'turn':
        if getattr(state, words[2]) != (words[1] == 'on'):
            found = {replace(state, **{words[2]: words[1] == 'on'})}
    elif words[:2] == ['move', 'slider']:
        if state.slider != words[2]:
            found = {replace(state, slider=words[2])}
    elif (state.drawer == 'open') != (words[0] == 'open'):
        found = {replace(state, drawer='open' if words[0] == 'open' else 'closed')}
    return found


def kind(task: str) -> str:
    """Return the pattern of the one category the task is in."""
    (pattern,) = (known for known in KINDS if re.fullmatch(known, task))
    return pattern


def test_the_rules_are_about_the_34_tasks_of_the_table() -> None:
    assert set(RULES) == set(SUITES['table34'])


def test_rules_agree_with_a_plain_reading_in_every_state() -> None:
    lights = (False, True)
    fixtures = (lights, lights, SIDES, ('open', 'closed'))
    for values in itertools.product(*fixtures, PLACES, PLACES, PLACES):
        state = TableState(*values)
        for task in RULES:
            assert set(outcomes(state, task)) == slow_outcomes(state, task)


def test_every_chain_can_be_done_step_by_step_with_one_outcome_each() -> None:
    for chain in EXAM:
        state = chain.start
        for task in chain.tasks:
            assert task in possible(state)
            (state,) = slow_outcomes(state, task)


def test_no_chain_has_two_tasks_of_one_category() -> None:
    assert len({kind(task) for task in RULES}) == 11
    assert all(len({kind(task) for task in chain.tasks}) == CHAIN_LENGTH for chain in EXAM)


def test_no_two_chains_are_alike_and_all_tasks_occur() -> None:
    assert len({(chain.start, chain.tasks) for chain in EXAM}) == 1000
    assert {task for chain in EXAM for task in chain.tasks} == set(RULES)


def test_starts_have_one_or_two_blocks_on_the_table_and_the_rest_apart() -> None:
    assert len(set(starts())) == 192
    for state in starts():
        away = [place for place in state.blocks.values() if place != 'table']
        assert 1 <= len(away) <= 2
        assert len(set(away)) == len(away)
        assert set(away) <= {'slider_left', 'slider_right'}


@pytest.mark.parametrize('count', [100, 192, 1000])
def test_no_start_is_asked_twice_more_than_another(count: int) -> None:
    asked = [chain.start for chain in EXAM[:count]]
    often = [asked.count(state) for state in starts()]
    assert max(often) - min(often) <= 1


def test_the_first_chains_are_the_same_however_many_are_asked_for() -> None:
    assert chains(1) + chains(300)[1:] == EXAM[:300]
    assert [chain.seed for chain in EXAM] == [100_000 + chain.index for chain in EXAM]


def test_another_seed_gives_other_chains() -> None:
    tuning = chains(50, seed=7)
    assert [chain.seed for chain in tuning] == list(range(7, 57))
    assert all(a.tasks != b.tasks for a, b in zip(tuning, EXAM))


def test_each_sequence_of_a_start_has_one_rank() -> None:
    found = [sequence(START, rank) for rank in range(sequence_count(START))]
    assert sorted(set(found)) == found
    assert set(found) == set(every_sequence(START, ()))


def every_sequence(state: TableState, done: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return all chains that go on from `done`, by trying everything."""
    if len(done) == CHAIN_LENGTH:
        return [done]
    fresh = [task for task in RULES if kind(task) not in {kind(before) for before in done}]
    return [
        full
        for task in fresh
        if len(after := slow_outcomes(state, task)) == 1
        for full in every_sequence(*after, (*done, task))
    ]


def digest(exam: tuple[Chain, ...]) -> int:
    """Return a number that changes with any chain."""
    return zlib.crc32(repr(exam).encode())


def test_the_exam_is_the_same_for_ever_and_under_any_hash_seed() -> None:
    code = 'import sys, zlib; from vla_core.chains import chains; ' \
        'sys.stdout.write(str(zlib.crc32(repr(chains()).encode())))'
    environment = {**os.environ, 'PYTHONHASHSEED': '5', 'PYTHONPATH': os.pathsep.join(sys.path)}
    other = subprocess.run([sys.executable, '-c', code], env=environment, check=True,
                           capture_output=True, text=True)
    assert int(other.stdout) == digest(EXAM) == 1741871688


def test_a_task_that_cannot_be_done_is_refused_with_those_that_can() -> None:
    with pytest.raises(VlaError, match='^open_drawer: 0 outcomes .*allowed: close_drawer, lift_'):
        apply(START, 'open_drawer')
    either = TableState(False, False, 'left', 'open', 'grasped', 'table', 'table')
    with pytest.raises(VlaError, match='^stack_block: 2 outcomes .*allowed: place_in_drawer'):
        apply(either, 'stack_block')
    with pytest.raises(UnknownNameError, match="did you mean 'open_drawer'"):
        apply(START, 'open_draw')


def test_counts_and_ranks_outside_their_range_are_refused() -> None:
    with pytest.raises(VlaError, match='count of chains: got 0; allowed: 1 to 1000'):
        chains(0)
    with pytest.raises(VlaError, match='rank of a sequence: got -1; allowed: 0 to'):
        sequence(START, -1)
