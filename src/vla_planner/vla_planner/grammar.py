"""Read one imperative clause: verb class, particles, object, colour and destination.

The grammar is closed on purpose. A clause that does not fit one rule of `RULES` exactly raises
GrammarError; nothing is guessed, for a wrong guess moves an arm.
"""

from dataclasses import dataclass, field, replace

from vla_core.errors import VlaError
from vla_core.tasks import BLOCK_COLOURS
from vla_planner import words as w

COORDINATION = '&'  # stands between nouns that share a verb: "the red & the blue block"


class GrammarError(VlaError):
    """Why a clause is not understood, as a phrase."""


@dataclass(frozen=True)
class Frame:
    """What one clause names."""

    verb: str
    kinds: frozenset[str] = frozenset()  # block, drawer, button, handle
    colours: tuple[str, ...] = ()  # of the blocks, in the order named
    particles: frozenset[str] = frozenset()
    places: tuple[tuple[str, str], ...] = ()  # (bowl | table | air, preposition)
    pronoun: str = ''

    @property
    def is_bare(self) -> bool:
        """Tell whether the clause is a verb without any object."""
        return not (self.kinds or self.places or self.pronoun)


@dataclass(frozen=True)
class Rule:
    """One way to say one task; `{}` in the task stands for the colour."""

    task: str
    kind: str
    verbs: frozenset[str]
    particles: frozenset[str] = frozenset()  # all that may occur
    needs: frozenset[str] = frozenset()  # one of which must occur
    into_bowl: bool = False


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OPENED, _CLOSED = _set('open out'), _set('closed shut in')
RULES = (
    Rule('put_{}_block_in_bowl', 'block', w.PUT | w.TAKE_TO, _set('down'), into_bowl=True),
    Rule('lift_{}_block', 'block', w.LIFT, _set('up')),
    Rule('open_drawer', 'drawer', w.OPEN, _OPENED | {'up'}),
    Rule('open_drawer', 'drawer', w.PULL, _OPENED),
    Rule('open_drawer', 'drawer', w.SHIFT, _OPENED, needs=_OPENED),
    Rule('close_drawer', 'drawer', w.CLOSE, _set('up in back')),
    Rule('close_drawer', 'drawer', w.PUSH, _CLOSED | {'back'}),
    Rule('close_drawer', 'drawer', w.PULL, _set('closed shut'), needs=_set('closed shut')),
    Rule('close_drawer', 'drawer', w.SHIFT, _CLOSED | {'back'}, needs=_CLOSED),
    Rule('press_button', 'button', w.PRESS, _set('down on in')),
)
_INTO = _set('in into inside within to')
_ALLOWED_PLACES = {'table': _set('on off from'), 'air': _set('in into'), 'bowl': _INTO}
_BY_HANDLE = _set('by with using')


@dataclass
class _Reader:
    """State of the left-to-right scan of one clause."""

    verb: str
    kinds: set[str] = field(default_factory=set)
    colours: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)  # colours before their noun
    particles: set[str] = field(default_factory=set)
    places: list[tuple[str, str]] = field(default_factory=list)
    pronoun: str = ''
    preposition: str = ''
    coordinations: int = 0
    everything: bool = False

    def read(self, word: str, before: str, after: str) -> None:
        """Take in one word with its neighbours."""
        if word in w.NOUNS:
            self._noun(w.NOUNS[word], word)
        elif word in w.COLOURS:
            self.pending.append(word)
        elif word in w.ALL:
            self.everything = True
        elif word == COORDINATION:
            self.coordinations += 1
        elif word in w.PRONOUNS:
            self._pronoun(word)
        elif word in w.PREPOSITIONS:
            self._flush()
            self.preposition = word
        elif word in w.STATES and before in w.DETERMINERS and after == 'drawer':
            pass  # an adjective: "close the open drawer"
        elif word in w.PARTICLES:
            self._flush()
            self.particles.add(word)
        elif word not in w.DETERMINERS:
            raise GrammarError(_unknown(word))

    def frame(self) -> Frame:
        """Return what was read; refuse loose ends."""
        self._flush()
        if self.pending:
            raise GrammarError(f'{self.pending[-1]!r} lacks its block')
        if self.coordinations != max(len(self.colours) - 1, 0) and not self.everything:
            raise GrammarError('it is unclear what belongs together')
        if self.everything and (self.coordinations or self.colours != list(BLOCK_COLOURS)):
            raise GrammarError("'all' goes with the blocks only")
        return Frame(
            self.verb, frozenset(self.kinds), tuple(self.colours), frozenset(self.particles),
            tuple(self.places), self.pronoun,
        )

    def _flush(self) -> None:
        if self.preposition:
            self.particles.add(self.preposition)
        self.preposition = ''

    def _noun(self, kind: str, word: str) -> None:
        if kind == 'block':
            self._block(word)
        elif self.pending:
            raise GrammarError(f'only blocks have a colour, not the {word}')
        elif kind in _ALLOWED_PLACES:
            self.places.append((kind, self.preposition))
            self.preposition = ''
        else:
            self._flush()
            self.kinds.add(kind)

    def _block(self, word: str) -> None:
        if self.everything and not self.pending:
            self.pending = list(BLOCK_COLOURS)
        if not self.pending:
            raise GrammarError(f'which {word}? known colours: {", ".join(BLOCK_COLOURS)}')
        self._flush()
        self.kinds.add('block')
        self.colours += self.pending
        self.pending = []

    def _pronoun(self, word: str) -> None:
        if self.pronoun or self.pending:
            raise GrammarError(f'it is unclear what {word!r} stands for')
        self._flush()
        self.pronoun = word


def _unknown(word: str) -> str:
    if word in w.OTHER_COLOURS:
        return f'no {word!r} block; known colours: {", ".join(BLOCK_COLOURS)}'
    return f'{word!r} is not a word I know'


def starts_with_verb(words: tuple[str, ...]) -> bool:
    """Tell whether a clause begins with a known verb, also as a gerund."""
    return bool(words) and (words[0] in w.VERBS or words[0] in w.GERUNDS)


def read_frame(words: tuple[str, ...]) -> Frame:
    """Return what the clause names; raise GrammarError for words that do not fit."""
    if not starts_with_verb(words):
        raise GrammarError(_unknown(words[0]) if _is_strange(words[0]) else 'there is no verb')
    reader = _Reader(w.GERUNDS.get(words[0], words[0]))
    padded = (*words, '')
    for i in range(1, len(words)):
        reader.read(padded[i], padded[i - 1], padded[i + 1])
    return reader.frame()


def _is_strange(word: str) -> bool:
    known = w.DETERMINERS | w.COLOURS | w.ALL | w.PRONOUNS | w.PARTICLES | w.PREPOSITIONS
    return word not in known and word not in w.NOUNS


def refer(frame: Frame, referent: Frame) -> Frame:
    """Return `frame` with its pronoun replaced by the objects of `referent`."""
    return replace(frame, kinds=referent.kinds, colours=referent.colours, pronoun='')


def tasks_of(frame: Frame) -> tuple[str, ...]:
    """Return the tasks the frame stands for; raise GrammarError where no rule fits."""
    for rule in RULES:
        if _fits(rule, frame):
            return tuple(rule.task.format(c) for c in frame.colours or ('',))
    raise GrammarError(_misfit(frame))


def is_preparation(frame: Frame) -> bool:
    """Tell whether the clause only takes hold of something: "grab the handle and ..."."""
    return frame.verb in w.GRASP and (frame.kinds == {'handle'} or frame.is_bare)


def _fits(rule: Rule, frame: Frame) -> bool:
    particles = frame.particles
    kinds = frame.kinds
    if rule.kind == 'drawer' and 'handle' in kinds:
        if kinds == {'handle'} and frame.verb not in w.PULL | w.PUSH | w.SHIFT:
            return False
        kinds, particles = frozenset({'drawer'}), particles - _BY_HANDLE
    return (
        kinds == {rule.kind}
        and frame.verb in rule.verbs
        and particles <= rule.particles
        and bool(not rule.needs or rule.needs & particles)
        and _places_fit(rule, frame)
    )


def _places_fit(rule: Rule, frame: Frame) -> bool:
    named = [place for place, _ in frame.places]
    if named and rule.kind != 'block' or ('bowl' in named) != rule.into_bowl:
        return False
    return len(set(named)) == len(named) and all(
        preposition in _ALLOWED_PLACES[place] for place, preposition in frame.places
    )


def _misfit(frame: Frame) -> str:
    if frame.is_bare:
        return f'{frame.verb!r} what?'
    if frame.kinds == {'block'} and frame.verb in w.PUT and not frame.places:
        return f'{frame.verb!r} it where? only the bowl is known'
    return f'no task is asked for in this way with {frame.verb!r}'
