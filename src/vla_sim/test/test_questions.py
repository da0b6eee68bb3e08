"""Answers are true, judged by the recorded pictures and states alone, and nothing hidden is asked.

Here colours are found in the pictures themselves and places by a pinhole camera from the
specification; what generates the questions uses the simulator's segmentation and matrices.
"""

from collections.abc import Iterator
import re

import numpy as np
import pytest
from vla_core.episode import Episode, GRIPPER, IMAGE_PREFIX, Question, TOOL_POSE
from vla_core.geometry import quat_to_matrix
from vla_sim.camera_frames import camera_matrices, static_camera_pose
from vla_sim.collect import DemoConfig, demonstrate
from vla_sim.environment import TableEnvironment
from vla_sim.sight import look

COLOURS = ('red', 'blue', 'pink')
RUNS = {'bowl': ('put_red_block_in_bowl', 'open_drawer'),
        'table_d': ('move_slider_left', 'turn_on_led', 'lift_blue_block_table')}
MANY = 60
FEW_PX = 8  # of a colour: less is no block that anyone can recognise
_WORDS = r'(?P<thing>.+?)'
PATTERNS = {
    'caption': r'.*robot (is )?(doing|carrying out).*',
    'exists': rf'(Is there a|Can you see a|Is a) {_WORDS}( visible| in the picture)?\?',
    'count': r'(How many|Count the) .*',
    'colours': r'(Which colours|What colours|Name the colours).*',
    'outermost': r'(What|Which) colour (is|has) the .*?(?P<side>left|right).*',
    'pointing': rf'(Point to|Where in the picture is|Give the image coordinates of) the {_WORDS}'
                r'[.?]',
    'holding': r'What (does the gripper hold|is the robot holding|is between the fingers).*',
    'drawer': r'.*the drawer.*closed\?',
    'door': r'.*sliding door.*',
    'lamp': rf'(Is|Does) the {_WORDS} (on|burn|switched on)\?',
    'bowl': r'.*?the (?P<thing>\w+ block) (been put into|in) the bowl\?'
            r'|Does the bowl hold the (?P<held>.+)\?',
    'relation': r'.*left or (to the )?right.*|.*left or right.*',
}


class Kept:
    """An EpisodeWriter into memory."""

    def __init__(self) -> None:
        self.episodes: list[Episode] = []

    def write(self, episode: Episode) -> None:
        self.episodes.append(episode)

    def close(self) -> None:
        pass


@pytest.fixture(scope='module')
def tables() -> Iterator[dict[str, TableEnvironment]]:
    opened = {scene: TableEnvironment(scene=scene) for scene in RUNS}
    yield opened
    for table in opened.values():
        table.close()


def demonstration(
    table: TableEnvironment, task: str, questions: int, seed: int = 3,
) -> Episode:
    kept = Kept()
    list(demonstrate(table, task, seed, kept, DemoConfig(follow_up=0.0, questions=questions)))
    return kept.episodes[0]


@pytest.fixture(scope='module')
def asked(tables) -> list[tuple[TableEnvironment, Episode, Question, str]]:
    """Return every question with the kind its words tell."""
    return [(tables[scene], episode, question, kind_of(question))
            for scene, tasks in RUNS.items() for task in tasks
            for episode in (demonstration(tables[scene], task, MANY),)
            for question in episode.questions]


def kind_of(question: Question) -> str:
    return next(kind for kind, pattern in PATTERNS.items()
                if re.fullmatch(pattern, question.question))


def values(episode: Episode, name: str, stamp_ns: int) -> np.ndarray:
    stream = episode.streams[name]
    return stream.values[stream.stamps_ns.tolist().index(stamp_ns)]


def blob(image: np.ndarray, colour: str) -> np.ndarray:
    """Return where (K, 2) float64, 0..1 right and down, a picture has a block's colour."""
    r, g, b = np.moveaxis(image.astype(float) + 1.0, -1, 0)
    found = {'red': (r > 2.5 * g) & (r > 2.5 * b), 'blue': (b > 2.5 * r) & (b > 2.0 * g),
             'pink': (r > 1.4 * g) & (b > 1.2 * g) & (r < 2.5 * g)}[colour]
    rows, columns = np.nonzero(found)
    return np.stack([columns + 0.5, rows + 0.5], 1) / image.shape[:2][::-1]


def on_screen(table: TableEnvironment, point: np.ndarray) -> np.ndarray:
    """Return where (2,) a point [m] is in the static picture, 0..1 right and down."""
    pose = static_camera_pose(table.scene.view)
    seen = quat_to_matrix(pose[3:]).T @ (point[:3] - pose[:3])
    pixel = camera_matrices(table.spec, table.scene.view)['static'] @ (seen / seen[2])
    spec = table.spec.cameras['static']
    return pixel[:2] / (spec.width, spec.height)


def place(table: TableEnvironment, episode: Episode, question: Question, words: str) -> np.ndarray:
    """Return the middle (2,) of a named thing in the picture."""
    if words.endswith(' block'):
        spots = blob(values(episode, IMAGE_PREFIX + question.camera, question.stamp_ns),
                     words.split()[0])
        return spots.mean(axis=0)
    name = {'handle of the drawer': 'drawer_handle',
            'handle of the sliding door': 'door_handle'}.get(words, words)
    return on_screen(table, values(episode, f'sim/objects/{name}', question.stamp_ns))


def of_kind(asked: list, *kinds: str) -> list:
    found = [(table, episode, question, kind, re.fullmatch(PATTERNS[kind], question.question))
             for table, episode, question, kind in asked if kind in kinds]
    assert {kind for *_, kind, _ in found} == set(kinds)
    return found


def pixels(episode: Episode, question: Question) -> dict[str, np.ndarray]:
    image = values(episode, IMAGE_PREFIX + question.camera, question.stamp_ns)
    return {colour: spots for colour in COLOURS if len(spots := blob(image, colour)) >= FEW_PX}


def test_every_question_is_of_one_known_kind_and_all_kinds_are_asked(asked) -> None:
    assert {kind for *_, kind in asked} == set(PATTERNS)
    assert all((question.kind == 'caption') == (kind == 'caption') for *_, question, kind in asked)


def test_captions_are_the_subtask_of_the_moment(asked) -> None:
    for _, episode, question, _, _ in of_kind(asked, 'caption'):
        spans = [s.text for s in episode.subtasks if s.start_ns <= question.stamp_ns <= s.end_ns]
        assert question.answer in spans


def test_colours_and_numbers_are_what_the_picture_shows(asked) -> None:
    for _, episode, question, kind, match in of_kind(asked, 'exists', 'count', 'colours'):
        seen = pixels(episode, question)
        if kind == 'count':
            assert question.answer == str(len(seen)), question
        elif kind == 'colours':
            assert question.answer == ', '.join(sorted(seen)), question
        else:
            colour = match['thing'].split()[0]
            assert question.answer == ('yes' if colour in seen else 'no'), question


def test_sides_are_those_of_the_picture(asked) -> None:
    for table, episode, question, kind, match in of_kind(asked, 'outermost', 'relation'):
        if kind == 'outermost':
            middle = {c: spots[:, 0].mean() for c, spots in pixels(episode, question).items()}
            far = min if match['side'] == 'left' else max
            assert question.answer == far(middle, key=middle.get), question
            continue
        words = re.findall(r'(?:red|blue|pink) block|bowl|button', question.question)
        one, other = words if 'which side' not in question.question else words[::-1]
        if question.camera != 'static' and not all('block' in w for w in words):
            continue
        gap = (place(table, episode, question, one) - place(table, episode, question, other))[0]
        assert question.answer == ('left' if gap < 0 else 'right'), question


def test_who_is_pointed_to_is_there(asked) -> None:
    for table, episode, question, _, match in of_kind(asked, 'pointing'):
        told = np.array([float(x) for x in question.answer.strip('()').split(', ')])
        if match['thing'].endswith(' block'):
            image = values(episode, IMAGE_PREFIX + question.camera, question.stamp_ns)
            gaps = np.linalg.norm(blob(image, match['thing'].split()[0]) - told, axis=1)
            assert gaps.min() < 1.5 / 96, question
        elif question.camera == 'static':
            np.testing.assert_allclose(
                told, place(table, episode, question, match['thing']), atol=0.002)


def test_what_is_held_is_between_the_fingers(asked) -> None:
    answers = set()
    for _, episode, question, _, _ in of_kind(asked, 'holding'):
        tool = values(episode, TOOL_POSE, question.stamp_ns)[:3]
        gaps = {name: np.linalg.norm(values(episode, f'sim/objects/{name}_block',
                                            question.stamp_ns)[:3] - tool) for name in COLOURS}
        opening = float(values(episode, GRIPPER, question.stamp_ns))
        answers.add(question.answer)
        if question.answer == 'nothing':
            assert opening > 0.9, question
        else:
            assert gaps[question.answer.split()[1]] == min(gaps.values()) < 0.03, question
            assert 0.2 < opening < 0.95, question
    assert len(answers) > 1


def test_fixtures_are_as_the_simulator_has_them(asked) -> None:
    for _, episode, question, kind, match in of_kind(asked, 'drawer', 'door', 'lamp', 'bowl'):
        def state(name: str, episode=episode, question=question) -> np.ndarray:
            return values(episode, f'sim/{name}', question.stamp_ns)

        if kind == 'drawer':
            assert question.answer == ('open' if state('joints/drawer') > 0.05 else 'closed')
        elif kind == 'door':
            assert question.answer == ('left' if state('joints/door') > 0.1 else 'right')
        elif kind == 'lamp':
            lamp = {'green light': 'led', 'light bulb': 'bulb'}[match['thing']]
            assert question.answer == ('yes' if state(f'joints/{lamp}') == 1.0 else 'no')
        else:
            name = (match['thing'] or match['held']).replace(' ', '_')
            gap = np.linalg.norm((state(f'objects/{name}') - state('objects/bowl'))[:2])
            assert question.answer == ('yes' if gap < 0.05 else 'no'), question


def test_asking_changes_nothing_else_and_the_same_seed_asks_the_same(tables) -> None:
    plain, some, again = (demonstration(tables['bowl'], 'open_drawer', n, 5) for n in (0, 6, 6))
    assert plain.questions == ()
    assert 1 <= len(some.questions) <= 6
    assert words(some) == words(again)
    assert plain.streams.keys() == some.streams.keys()
    for name, stream in plain.streams.items():
        assert stream.values.tobytes() == some.streams[name].values.tobytes(), name
    assert words(demonstration(tables['bowl'], 'open_drawer', 6, 6)) != words(some)


def words(episode: Episode) -> list[tuple[int, str, str]]:
    return [(q.stamp_ns - episode.start_ns, q.question, q.answer) for q in episode.questions]


def test_the_mask_agrees_with_the_picture(tables) -> None:
    table = tables['bowl']
    table.reset(8, 'open_drawer')
    image = table.images()['static']
    sight = look(table, 'static')
    for colour in COLOURS:
        share = len(blob(image, colour)) / image[..., 0].size
        assert sight.share(f'{colour}_block') == pytest.approx(share, abs=2e-4)
    assert sight.share('nothing of the kind') == 0.0
