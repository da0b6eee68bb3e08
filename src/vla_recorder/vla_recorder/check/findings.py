"""What a check found: one line each, and how bad it is."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum

WHOLE = ''  # the episode of a finding that is about the data set
_WORDS = 160  # characters of a foreign text that a line repeats


class Level(str, Enum):
    """How bad a finding is."""

    ERROR = 'error'  # whoever trains on it learns something wrong, or cannot read it
    WARNING = 'warning'  # worth a look before training
    INFO = 'info'


@dataclass(frozen=True)
class Finding:
    """One thing that was found; `what`, `got` and `allowed` are for people, on one line."""

    level: Level
    episode: str  # id; WHOLE: the data set
    stream: str  # or the file, or the field; empty: the episode as a whole
    what: str  # the same words for the same fault, whatever the figures
    got: str
    allowed: str

    def line(self) -> str:
        """Return the one line."""
        return f'{self.level.value}: {self.episode or "data set"}: {self.tail()}'

    def tail(self) -> str:
        """Return the line without its level and episode."""
        where = f'{self.stream}: ' if self.stream else ''
        return f'{where}{self.what}: got {one_line(self.got)}, allowed {self.allowed}'

    def to_dict(self) -> dict[str, str]:
        """Return the JSON form."""
        return {**asdict(self), 'level': self.level.value, 'got': one_line(self.got)}


def one_line(text: str) -> str:
    """Return a foreign text without line breaks or control characters, shortened."""
    plain = ''.join(c if c.isprintable() else ' ' for c in text)
    return plain if len(plain) <= _WORDS else f'{plain[:_WORDS]}...'


def count_levels(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings there are of each level."""
    counts = {level.value: 0 for level in Level}
    for finding in findings:
        counts[finding.level.value] += 1
    return counts


def grouped(findings: Iterable[Finding]) -> Mapping[tuple[Level, str, str], list[Finding]]:
    """Return the findings by level, stream and what: errors first, then in their order."""
    groups: dict[tuple[Level, str, str], list[Finding]] = {}
    for level in Level:
        for finding in (f for f in findings if f.level is level):
            groups.setdefault((level, finding.stream, finding.what), []).append(finding)
    return groups
