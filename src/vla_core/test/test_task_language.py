"""Laws of the shared task vocabulary."""

import re

import pytest
from vla_core.errors import UnknownNameError
from vla_core.tasks import draw_instruction, SUITES, task, TaskLanguage

LANGUAGES = [(suite, t) for suite, known in SUITES.items() for t in known.values()]
OF_A_LANGUAGE = pytest.mark.parametrize(
    'language', [t for _, t in LANGUAGES], ids=[f'{s}:{t.name}' for s, t in LANGUAGES]
)


@pytest.mark.parametrize('suite', SUITES)
def test_no_two_tasks_of_a_suite_share_a_sentence(suite: str) -> None:
    sentences = [sentence for t in SUITES[suite].values() for sentence in t.sentences]
    assert len(sentences) == len(set(sentences))


def test_a_sentence_in_two_suites_means_the_same_in_both() -> None:
    meanings: dict[str, set[str]] = {}
    for _, language in LANGUAGES:
        for sentence in language.sentences:
            meanings.setdefault(sentence, set()).add(language.name.removesuffix('_table'))
    assert all(len(names) == 1 for names in meanings.values())


def test_what_one_suite_holds_out_no_suite_trains_on() -> None:
    trained = {sentence for _, t in LANGUAGES for sentence in t.instructions}
    assert trained.isdisjoint(sentence for _, t in LANGUAGES for sentence in t.held_out)


@OF_A_LANGUAGE
def test_sentences_are_lower_case_words_only(language: TaskLanguage) -> None:
    assert all(re.fullmatch(r'[a-z]+( [a-z]+)*', sentence) for sentence in language.sentences)


@OF_A_LANGUAGE
def test_every_task_has_enough_ways_to_say_it(language: TaskLanguage) -> None:
    assert task(language.name) is language
    assert len(language.instructions) >= 8
    assert len(language.held_out) >= 4


@pytest.mark.parametrize('suite', SUITES)
def test_held_out_sentences_are_new_combinations_of_trained_words(suite: str) -> None:
    known = SUITES[suite].values()
    trained = {w for t in known for s in t.instructions for w in s.split()}
    held_out = {w for t in known for s in t.held_out for w in s.split()}
    assert held_out <= trained


@OF_A_LANGUAGE
def test_sentences_name_the_colour_of_the_block_the_task_names(language: TaskLanguage) -> None:
    for colour in {'red', 'blue', 'pink'}:
        named = colour in language.name.split('_')
        assert all((colour in s.split()) == named for s in language.sentences)


@OF_A_LANGUAGE
def test_sentences_name_one_side_where_the_task_does(language: TaskLanguage) -> None:
    meant = {'right': {'right', 'clockwise'}, 'left': {'left', 'counterclockwise'}}
    for side, words in meant.items():
        named = language.name.endswith(f'_{side}')
        assert all(bool(words & set(s.split())) == named for s in language.sentences)


def test_the_table_has_34_tasks_and_shares_the_drawer_with_the_bowl() -> None:
    assert len(SUITES['table34']) == 34
    for name in ('open_drawer', 'close_drawer'):
        assert SUITES['table34'][name] is SUITES['bowl'][name]


@pytest.mark.parametrize('name', ['open_drawer', 'rotate_pink_block_left', 'insert_peg'])
def test_drawn_sentences_are_trained_ones_unless_held_out_ones_are_asked_for(name: str) -> None:
    assert {draw_instruction(name, s) for s in range(99)} == set(task(name).instructions)
    drawn = {draw_instruction(name, seed, held_out=True) for seed in range(99)}
    assert drawn == set(task(name).held_out)


def test_an_episode_is_asked_with_the_same_sentence_for_ever() -> None:
    drawn = [draw_instruction('lift_red_block', seed) for seed in (0, 1, 100_000)]
    raise_it = 'raise the red block off the table'
    assert drawn == [raise_it, raise_it, 'lift the red block']


def test_an_unknown_task_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'open_drawer'.*press_button"):
        task('open_draw')
