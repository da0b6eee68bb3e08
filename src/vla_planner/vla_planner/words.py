"""The closed vocabulary of the embedded planner: a word outside it refuses the instruction."""

from vla_core.tasks import BLOCK_COLOURS

COLOURS = frozenset(BLOCK_COLOURS)
OTHER_COLOURS = frozenset(
    'green yellow black white orange purple brown grey gray violet cyan magenta silver'.split()
)
DETERMINERS = frozenset('the a an that this its your my'.split())
ALL = frozenset('all every each'.split())
PRONOUNS = frozenset('it them'.split())
NOUNS = {
    'block': 'block', 'cube': 'block', 'blocks': 'block', 'cubes': 'block', 'brick': 'block',
    'bricks': 'block', 'box': 'block', 'one': 'block', 'ones': 'block',
    'bowl': 'bowl', 'dish': 'bowl',
    'table': 'table', 'tabletop': 'table', 'air': 'air',
    'drawer': 'drawer', 'handle': 'handle', 'button': 'button',
}
STATES = frozenset('open closed shut'.split())  # a state of the drawer, also as an adjective
PARTICLES = STATES | frozenset('up down out back'.split())
PREPOSITIONS = frozenset('in into inside within to on off from by with using'.split())

LIFT = frozenset('lift raise pick grab grasp grip take get hold hoist elevate seize'.split())
GRASP = frozenset('pick grab grasp grip take hold seize'.split())  # leads into another deed
PUT = frozenset('put place drop set move bring transfer deposit insert lay carry'.split())
TAKE_TO = frozenset('take get'.split())  # lift verbs that may name a destination
OPEN = frozenset('open'.split())
CLOSE = frozenset('close shut'.split())
PULL = frozenset('pull tug draw drag yank'.split())
PUSH = frozenset('push shove'.split())
SHIFT = frozenset('slide get move bring'.split())  # open or close, as the particle says
PRESS = frozenset('press push hit tap click poke depress activate trigger strike'.split())
VERBS = LIFT | PUT | OPEN | CLOSE | PULL | PUSH | SHIFT | PRESS

_DOUBLED = frozenset('put set get drag tap hit shut grab grip'.split())


def _gerund(verb: str) -> str:
    if verb in _DOUBLED:
        return f'{verb}{verb[-1]}ing'
    return f'{verb[:-1]}ing' if verb.endswith('e') else f'{verb}ing'


GERUNDS = {_gerund(verb): verb for verb in VERBS}
