"""Questions about a picture of the table, with answers that the simulator knows to be true.

Data for co-training: colours, counts, where things are, what is held or open, what the robot is
doing. Asked is only what the picture shows: a thing that is half hidden, a drawer half open or a
block half grasped is passed over.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from vla_core.episode import Question
from vla_core.tasks.language import BLOCK_COLOURS
from vla_core.types import SimState
from vla_sim.scenes.bowl import BOWL_RADIUS
from vla_sim.sight import CLUTTER, GRIPPER, Sight

Pair = tuple[str, str]  # question, answer

_APART = 0.08  # of the picture's width: what is nearer is neither left nor right
_HELD_N, _HELD_M = 0.5, 0.03  # force of the fingers, distance from the tool
_APART_MIN = 0.2  # opening of fingers that have something between them
_OPEN_M, _CLOSED_M = 0.08, 0.01  # of a drawer
_DOOR_M = (0.02, 0.18)  # of a sliding door: to the right below, to the left above
_IN_BOWL = 0.6  # of its radius
_HANDLES = {'drawer_handle': 'drawer', 'door_handle': 'door'}  # part of which surface they are
_POINTED = {'bowl': 'bowl', 'button': 'button', 'switch': 'switch', 'peg': 'peg',
            'drawer_handle': 'handle of the drawer', 'door_handle': 'handle of the sliding door'}
_LAMPS = {'led': 'green light', 'bulb': 'light bulb'}


@dataclass(frozen=True)
class Scenery:
    """What there is to ask about: one picture and the truth behind it."""

    sight: Sight
    state: SimState
    doing: str  # what the robot is at, in words

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the blocks that are told by their colour."""
        return tuple(f'{colour}_block' for colour in BLOCK_COLOURS
                     if f'{colour}_block' in self.state.objects)

    @property
    def seen(self) -> tuple[str, ...] | None:
        """Names of the blocks in the picture, or None where one is in doubt."""
        seen = tuple(name for name in self.blocks if self.sight.clear(name))
        sure = all(self.sight.hidden(name) for name in self.blocks if name not in seen)
        return seen if sure and self.blocks else None


def ask(scenery: Scenery, count: int, rng: np.random.Generator) -> list[Question]:
    """Return up to `count` questions of different kinds about one picture."""
    kinds = [(kind, pairs) for kind, make in _KINDS.items() if (pairs := list(make(scenery, rng)))]
    chosen = rng.permutation(len(kinds))[:count]
    questions = []
    for kind, pairs in (kinds[k] for k in sorted(chosen.tolist())):
        question, answer = pairs[rng.integers(len(pairs))]
        questions.append(Question(
            stamp_ns=scenery.state.stamp_ns, camera=scenery.sight.camera, question=question,
            answer=answer, kind='caption' if kind == 'caption' else 'vqa'))
    return questions


def _caption(scenery: Scenery, rng: np.random.Generator) -> Iterator[Pair]:
    if scenery.doing:
        yield _say(rng, _CAPTION), scenery.doing


def _exists(scenery: Scenery, rng: np.random.Generator) -> Iterator[Pair]:
    for name in scenery.blocks:
        if scenery.sight.clear(name) or scenery.sight.hidden(name):
            yield _say(rng, _EXISTS, thing=_word(name)), _yes(scenery.sight.clear(name))


def _count(scenery: Scenery, rng: np.random.Generator) -> Iterator[Pair]:
    if scenery.seen is not None and scenery.sight.hidden(CLUTTER):
        yield _say(rng, _COUNT), str(len(scenery.seen))


def _colours(scenery: Scenery, rng: np.random.Generator) -> Iterator[Pair]:
    if scenery.seen and scenery.sight.hidden(CLUTTER):
        colours = sorted(name.split('_')[0] for name in scenery.seen)
        yield _say(rng, _COLOURS), ', '.join(colours)


def _outermost(scenery: Scenery, rng: np.random.Generator) -> Iterator[Pair]:
    """Ask for the colour of the block furthest to one side."""
    places = _places(scenery, scenery.seen or ())
    if len(places) < 2 or not scenery.sight.hidden(CLUTTER) or len(places) != len(scenery.seen):
        return
    order = sorted(places, key=lambda name: places[name][0])
    for side, (first, second) in {'left': order[:2], 'right': order[:-3:-1]}.items():
        if abs(places[first][0] - places[second][0]) >= _APART:
            yield _say(rng, _OUTERMOST, side=side), first.split('_')[0]


def _relation(scenery: Scenery, rng: np.random.Generator) -> Iterator[Pair]:
    places = _places(scenery, [n for n in (*scenery.blocks, 'bowl', 'button')
                               if scenery.sight.clear(n)])
    for one, other in permutations(places, 2):
        gap = places[one][0] - places[other][0]
        if abs(gap) >= _APART:
            words = {'one': _word(one), 'other': _word(other)}
            yield _say(rng, _RELATION, **words), 'left' if gap < 0 else 'right'


def _pointing(scenery: Scenery, rng: np.random.Generator) -> Iterator[Pair]:
    for name in (*scenery.blocks, *_POINTED):
        surface = _HANDLES.get(name, name)
        if name not in scenery.state.objects or not scenery.sight.clear(surface):
            continue
        place = scenery.sight.place(scenery.state.objects[name])
        if place is not None and scenery.sight.at(place) == surface:
            yield _say(rng, _POINT, thing=_word(name)), f'({place[0]:.3f}, {place[1]:.3f})'


def _holding(scenery: Scenery, rng: np.random.Generator) -> Iterator[Pair]:
    state, sight = scenery.state, scenery.sight
    closing = state.gripper > _APART_MIN and state.gripper_target < state.gripper - 0.02
    held = [name for name, force in state.contacts.items()
            if closing and force > _HELD_N and _distance(state, name) < _HELD_M]
    if held and len(state.contacts) == 1 and held[0] in scenery.blocks and sight.clear(held[0]):
        yield _say(rng, _HOLDING), f'the {_word(held[0])}'
    elif not state.contacts and state.gripper > 0.9 and sight.clear(GRIPPER):
        yield _say(rng, _HOLDING), 'nothing'


def _drawer(scenery: Scenery, rng: np.random.Generator) -> Iterator[Pair]:
    opening = scenery.state.joints.get('drawer')
    if opening is None or not _shows_furniture(scenery.sight, 'drawer'):
        return
    if opening > _OPEN_M or opening < _CLOSED_M:
        yield _say(rng, _DRAWER), 'open' if opening > _OPEN_M else 'closed'


def _door(scenery: Scenery, rng: np.random.Generator) -> Iterator[Pair]:
    at = scenery.state.joints.get('door')
    if at is None or not _shows_furniture(scenery.sight, 'door'):
        return
    right, left = _DOOR_M
    if at < right or at > left:
        yield _say(rng, _DOOR), 'left' if at > left else 'right'


def _lamp(scenery: Scenery, rng: np.random.Generator) -> Iterator[Pair]:
    for name, words in _LAMPS.items():
        if name in scenery.state.joints and scenery.sight.clear(name):
            yield _say(rng, _LIT, thing=words), _yes(scenery.state.joints[name] > 0.5)


def _in_bowl(scenery: Scenery, rng: np.random.Generator) -> Iterator[Pair]:
    state = scenery.state
    if 'bowl' not in state.objects or not scenery.sight.clear('bowl'):
        return
    for name in scenery.blocks:
        gap = float(np.linalg.norm((state.objects[name] - state.objects['bowl'])[:2]))
        inside = gap < _IN_BOWL * BOWL_RADIUS and 'bowl' in state.touching.get(name, ())
        if scenery.sight.clear(name) and (inside or gap > 2.0 * BOWL_RADIUS):
            yield _say(rng, _BOWL, thing=_word(name)), _yes(inside)


_KINDS: dict[str, Callable[[Scenery, np.random.Generator], Iterator[Pair]]] = {
    'caption': _caption, 'exists': _exists, 'count': _count, 'colours': _colours,
    'outermost': _outermost, 'relation': _relation, 'pointing': _pointing, 'holding': _holding,
    'drawer': _drawer, 'door': _door, 'lamp': _lamp, 'bowl': _in_bowl}
_CAPTION = ('What is the robot doing?', 'Describe what the robot is doing.',
            'Which task is the robot carrying out?')
_EXISTS = ('Is there a {thing} in the picture?', 'Can you see a {thing}?', 'Is a {thing} visible?')
_COUNT = ('How many blocks are in the picture?', 'How many blocks can you see?',
          'Count the blocks that are visible.')
_COLOURS = ('Which colours do the visible blocks have?', 'What colours are the blocks?',
            'Name the colours of the blocks in the picture.')
_OUTERMOST = ('What colour is the block furthest to the {side} in the picture?',
              'Which colour has the {side}most block in the picture?')
_RELATION = ('Is the {one} left or right of the {other} in the picture?',
             'In this picture, on which side of the {other} is the {one}, left or right?',
             'Seen by the camera, does the {one} lie to the left or to the right of the {other}?')
_POINT = ('Point to the {thing}.', 'Where in the picture is the {thing}?',
          'Give the image coordinates of the {thing}.')
_HOLDING = ('What does the gripper hold?', 'What is the robot holding?',
            'What is between the fingers of the gripper?')
_DRAWER = ('Is the drawer open or closed?', 'What is the state of the drawer, open or closed?',
           'Does the drawer stand open, or is it closed?')
_DOOR = ('Seen from the robot, is the sliding door on the left or on the right?',
         'To which side, as the robot sees it, is the sliding door pushed, left or right?')
_LIT = ('Is the {thing} on?', 'Does the {thing} burn?', 'Is the {thing} switched on?')
_BOWL = ('Is the {thing} in the bowl?', 'Does the bowl hold the {thing}?',
         'Has the {thing} been put into the bowl?')


def _say(rng: np.random.Generator, phrasings: Sequence[str], **words: str) -> str:
    return phrasings[rng.integers(len(phrasings))].format(**words)


def _word(name: str) -> str:
    return _POINTED.get(name, name.replace('_', ' '))


def _shows_furniture(sight: Sight, name: str) -> bool:
    """Say whether a picture tells how a fixture stands: the wrist sees but a piece of it."""
    return sight.camera == 'static' and sight.clear(name)


def _yes(true: bool) -> str:
    return 'yes' if true else 'no'


def _places(scenery: Scenery, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    found = {name: scenery.sight.place(scenery.state.objects[name])
             for name in names if name in scenery.state.objects}
    return {name: place for name, place in found.items() if place is not None}


def _distance(state: SimState, name: str) -> float:
    return float(np.linalg.norm(state.objects[name][:3] - state.tool_pose[:3]))
