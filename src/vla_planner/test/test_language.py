"""Laws of the language the embedded planner understands."""

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from vla_core.errors import VlaError
from vla_core.tasks import TASKS
from vla_planner.language import nearest, parse, UnknownInstructionError

SENTENCES = [(name, sentence) for name, task in TASKS.items() for sentence in task.sentences]
JOINTS = [', then ', ' and then ', ' then ', ' and ', '; ', '. ', ', ', ', after that ', '. Then ']
VOCABULARY = sorted({word for _, sentence in SENTENCES for word in sentence.split()})


def names(instruction: str) -> list[str]:
    """Return the names of the tasks of an instruction."""
    return [step.task for step in parse(instruction).steps]


@pytest.mark.parametrize(('name', 'sentence'), SENTENCES)
def test_every_paraphrase_parses_to_its_task(name: str, sentence: str) -> None:
    assert names(sentence) == [name]
    assert names(f'Could you please {sentence}?') == [name]


@pytest.mark.parametrize('name', TASKS)
def test_training_sentences_reach_the_policy_unchanged(name: str) -> None:
    for sentence in TASKS[name].instructions:
        assert parse(sentence).steps[0].text == sentence
    for sentence in TASKS[name].held_out:
        assert parse(sentence).steps[0].text == TASKS[name].canonical


@given(st.lists(st.sampled_from(SENTENCES), min_size=2, max_size=3), st.data())
@settings(deadline=None)
def test_conjunctions_parse_in_order(parts: list[tuple[str, str]], data: st.DataObject) -> None:
    instruction = parts[0][1]
    for _, sentence in parts[1:]:
        instruction += data.draw(st.sampled_from(JOINTS)) + sentence
    assert names(instruction) == [name for name, _ in parts]


@given(st.text(max_size=600))
@settings(deadline=None)
def test_any_text_is_understood_or_refused_in_one_line(text: str) -> None:
    try:
        assert set(names(text)) <= set(TASKS)
    except VlaError as refusal:
        assert len(str(refusal).splitlines()) == 1


@given(st.text('bcfghjkmnqrvwxyz 0123456789#&%', min_size=1, max_size=600))
@settings(deadline=None)
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(VlaError):
        parse(text)


@given(st.lists(st.sampled_from([*VOCABULARY, ',', 'then', 'after']), max_size=12))
@settings(deadline=None)
def test_word_salad_is_understood_or_refused(words: list[str]) -> None:
    try:
        assert set(names(' '.join(words))) <= set(TASKS)
    except VlaError:
        pass


@pytest.mark.parametrize('word', ['not', 'never', 'green', 'without', 'unless', 'or', 'two'])
@given(st.sampled_from(SENTENCES), st.integers(0, 12))
@settings(deadline=None, max_examples=30)
def test_one_strange_word_refuses_the_sentence(
    word: str, sentence: tuple[str, str], place: int
) -> None:
    words = sentence[1].split()
    words.insert(min(place, len(words)), word)
    with pytest.raises(UnknownInstructionError):
        parse(' '.join(words))


@pytest.mark.parametrize(
    ('instruction', 'expected'),
    [
        ('open the drawer and close it', ['open_drawer', 'close_drawer']),
        ('Pick up the red block, then put it in the bowl.', ['put_red_block_in_bowl']),
        ('grab and lift the blue cube', ['lift_blue_block']),
        (
            'lift the red block, open the drawer and put it in the bowl',
            ['lift_red_block', 'open_drawer', 'put_red_block_in_bowl'],
        ),
        (
            'put the red and the blue block in the bowl',
            ['put_red_block_in_bowl', 'put_blue_block_in_bowl'],
        ),
        (
            'pick up the pink and blue blocks and put them in the bowl',
            ['put_pink_block_in_bowl', 'put_blue_block_in_bowl'],
        ),
        ('lift all the cubes', ['lift_red_block', 'lift_blue_block', 'lift_pink_block']),
        ('pull the drawer open by its handle', ['open_drawer']),
        ('hoist the pink brick up off the table', ['lift_pink_block']),
        ('move the red block from the table to the bowl', ['put_red_block_in_bowl']),
    ],
)
def test_objects_are_shared_and_referred_to(instruction: str, expected: list[str]) -> None:
    assert names(instruction) == expected


@pytest.mark.parametrize(
    'instruction',
    [
        'after opening the drawer, press the button',
        'press the button after opening the drawer',
        'press the button, after opening the drawer',
        'before pressing the button, open the drawer',
        'open the drawer before pressing the button',
        'open the drawer first, then press the button',
        'start by opening the drawer; after that press the button',
        'press the button, but first open the drawer',
        'Please open the drawer. Afterwards, hit the button, thanks!',
    ],
)
def test_order_follows_the_meaning(instruction: str) -> None:
    assert names(instruction) == ['open_drawer', 'press_button']


@pytest.mark.parametrize(
    ('instruction', 'reason'),
    [
        ('lift the green block', 'known colours: red, blue, pink'),
        ('lift the block', 'known colours: red, blue, pink'),
        ('do not open the drawer', "'do' is not a word I know"),
        ('put the red block', 'only the bowl is known'),
        ('put the red block in the drawer', 'no task'),
        ('put the block in the red bowl', 'which block'),
        ('put the red block in the blue bowl', 'only blocks have a colour'),
        ('put the red block on the blue block', 'unclear'),
        ('put the red block next to the bowl', "'next'"),
        ('take the red block out of the bowl', "'of'"),
        ('push the drawer open', 'no task'),
        ('put it in the bowl', "'it' stands for"),
        ('lift the red and blue block and put it in the bowl', "'it' stands for"),
        ('press the button after opening the drawer and lifting the red block', 'order'),
        ('press the button. first open the drawer', "'first'"),
        ('open the drawer and', 'breaks off'),
        ('grab the handle', 'no task'),
        (', '.join(['open it'] * 3), 'stands for'),
        (', '.join(['open the drawer'] * 17), '17 steps; allowed: 1 to 16'),
    ],
)
def test_refusals_say_why_and_name_the_nearest(instruction: str, reason: str) -> None:
    with pytest.raises(UnknownInstructionError) as refusal:
        parse(instruction)
    assert reason in str(refusal.value)
    assert '; nearest: ' in str(refusal.value)
    assert len(str(refusal.value)) <= 512


@pytest.mark.parametrize('instruction', ['', '   ', 'open the drawer\n', 'a\x00b', 'x' * 513])
def test_unfit_text_is_refused(instruction: str) -> None:
    with pytest.raises(VlaError, match='instruction'):
        parse(instruction)


def test_nearest_is_the_sentence_itself_for_known_ones() -> None:
    for name, sentence in SENTENCES:
        if sentence in TASKS[name].instructions:
            assert nearest(sentence)[0] == sentence
