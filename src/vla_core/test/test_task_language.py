"""Laws of the shared task vocabulary."""

import re

import pytest
from vla_core.errors import UnknownNameError
from vla_core.tasks import task, TASKS

SENTENCES = [sentence for language in TASKS.values() for sentence in language.sentences]


def test_no_two_tasks_share_a_sentence() -> None:
    assert len(SENTENCES) == len(set(SENTENCES))


def test_sentences_are_lower_case_words_only() -> None:
    assert all(re.fullmatch(r'[a-z]+( [a-z]+)*', sentence) for sentence in SENTENCES)


@pytest.mark.parametrize('name', TASKS)
def test_every_task_has_enough_ways_to_say_it(name: str) -> None:
    assert task(name).name == name
    assert len(task(name).instructions) >= 8
    assert len(task(name).held_out) >= 4


def test_held_out_sentences_are_new_combinations_of_trained_words() -> None:
    trained = {w for known in TASKS.values() for s in known.instructions for w in s.split()}
    held_out = {w for known in TASKS.values() for s in known.held_out for w in s.split()}
    assert held_out <= trained


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'open_drawer'.*press_button"):
        task('open_draw')
