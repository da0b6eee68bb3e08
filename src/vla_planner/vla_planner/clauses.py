"""Cut an instruction into clauses in the order they are to be done."""

import re
import unicodedata

from vla_core.errors import VlaError
from vla_planner.grammar import COORDINATION, GrammarError, starts_with_verb

MAX_CHARS = 512

_TOKEN = re.compile(r"[a-z0-9']+|[,;.!?]|\S")
_WORD = re.compile(r"[a-z0-9']+")
_JOINT_WORDS = (
    (re.compile(r'\b(and )?(after|following) (that|this|which)\b'), ' then '),
    (re.compile(r'\b(and )?(afterwards?|finally|lastly|subsequently)\b'), ' then '),
    (re.compile(r'\b(and )?next\b(?! to\b)'), ' then '),
    (re.compile(r'\b(as well as|plus)\b'), ' and '),
    (re.compile(r'\bbut first\b'), ' after '),
    (re.compile(r'\b(after|before) you\b'), r'\1'),
)
_UNCLEAR = "the order is unclear; say it with 'then'"
_JOINTS = frozenset([',', ';', '.', '!', '?', 'and', 'then', 'also'])
_POLITE = re.compile(
    r'^(?:(?:hey|hi|hello|ok|okay|now|just|please|kindly|robot|also|gently|carefully|slowly'
    r'|(?:can|could|would|will) you|i (?:want|need) you to|i would like you to'
    r"|i'd like you to|you (?:should|must)|your task is to|go ahead)\s+)+"
)
_THANKS = re.compile(
    r'(?:\s+(?:please|now|for me|thanks|thank you|too|gently|carefully|slowly))+$'
)
_FIRST = re.compile(r'^(?:first(?:ly)?|start by|begin by|start with|begin with)\s+(?:of all\s+)?')

_BARE_MANNERS = frozenset(['first', 'firstly', 'please', 'thanks', 'thank you', 'now', 'robot'])


def normalise(instruction: str) -> str:
    """Return the instruction in lower case with single spaces; raise VlaError if unfit."""
    if len(instruction) > MAX_CHARS:
        raise VlaError(f'instruction of {len(instruction)} characters; allowed: {MAX_CHARS}')
    if any(unicodedata.category(c)[0] == 'C' for c in instruction):
        raise VlaError('instruction with control characters; allowed: one line of plain text')
    text = instruction.lower().replace('\u2019', "'").replace('-', ' ')
    text = ' '.join(text.split())
    if not text:
        raise VlaError('instruction is empty; allowed: a sentence such as "open the drawer"')
    return text


def split(text: str) -> list[tuple[str, ...]]:
    """Return the clauses as words, in the order of doing; raise GrammarError if unclear.

    A piece without a verb joins the clause before it: "lift the red, then the blue block".
    """
    for pattern, joint in _JOINT_WORDS:
        text = pattern.sub(joint, text)
    clauses: list[tuple[str, ...]] = []
    pieces = _pieces(' '.join(_tokens(text)).split())
    for piece in pieces:
        words = tuple(_strip_manners(' '.join(piece), is_first=not clauses).split())
        if not words:
            continue
        if clauses and not starts_with_verb(_without_order(words)):
            clauses[-1] += (COORDINATION, *words)
        else:
            clauses.append(words)
    return _in_order(clauses)


def _tokens(text: str) -> list[str]:
    tokens = _TOKEN.findall(text)
    for token in tokens:
        if token not in _JOINTS and not _WORD.fullmatch(token):
            raise GrammarError(f'character {token!r} has no meaning here')
    if tokens[-1] in ('and', 'then', 'also', ','):
        raise GrammarError(f'it breaks off after {tokens[-1]!r}')
    return tokens


def _pieces(tokens: list[str]) -> list[list[str]]:
    pieces: list[list[str]] = [[]]
    for token in tokens:
        if token in _JOINTS:
            pieces.append([])
        else:
            pieces[-1].append(token)
    return [piece for piece in pieces if piece]


def _strip_manners(piece: str, is_first: bool) -> str:
    piece = _THANKS.sub('', _POLITE.sub('', piece + ' ').strip())
    if is_first:
        piece = re.sub(r'\s+first$', '', _FIRST.sub('', piece))
    polite = _POLITE.sub('', piece + ' ').strip()
    return '' if polite in _BARE_MANNERS else polite


def _without_order(words: tuple[str, ...]) -> tuple[str, ...]:
    return words[1:] if words[0] in ('after', 'before') else words


def _in_order(clauses: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Resolve "after opening ..., press ..." and "press ... before opening ..."."""
    ordered: list[tuple[str, ...]] = []
    swaps = 0
    for i, words in enumerate(clauses):
        if words[0] in ('after', 'before'):
            swaps += _turns(words[0], i, len(clauses))
            words = words[1:]
        head, word, tail = _cut(words)
        ordered += [head, tail] if word else [head]
        swaps += word == 'after'
    if not all(ordered) or any({'after', 'before'} & set(words) for words in ordered):
        raise GrammarError(_UNCLEAR)
    if swaps and (swaps, len(ordered)) != (1, 2):
        raise GrammarError(_UNCLEAR)
    return ordered[::-1] if swaps else ordered


def _turns(lead: str, index: int, count: int) -> bool:
    """Tell whether a clause that begins with `lead` turns the order around."""
    if count == 1 or 0 < index < count - 1:
        raise GrammarError(_UNCLEAR)
    return lead == ('before' if index == 0 else 'after')


def _cut(words: tuple[str, ...]) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    for i, word in enumerate(words):
        if word in ('after', 'before'):
            return words[:i], word, words[i + 1:]
    return words, '', ()


def plain(words: tuple[str, ...]) -> str:
    """Return the words of a clause as a sentence."""
    return ' '.join('and' if word == COORDINATION else word for word in words)
