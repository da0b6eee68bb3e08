"""What an operator may say while episodes are recorded, and what is done then.

READY waits for a start; RECORDING records; in REVIEW the episode is over, taken down and not yet
judged. An episode that is redone begins again at once in the same scene; a discarded one waits.
"""

from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """Where the session is."""

    READY = 'ready'
    RECORDING = 'recording'
    REVIEW = 'review'
    OVER = 'over'


class Deed(Enum):
    """What is done about a word."""

    BEGIN = 'begin'  # recording begins
    FREEZE = 'freeze'  # nothing more is recorded; the verdict is to come
    KEEP = 'keep'  # the episode ends and is kept
    DISCARD = 'discard'  # it is forgotten, the scene set again
    REDO = 'redo'  # the same, and recording begins again at once
    QUIT = 'quit'


@dataclass(frozen=True)
class Act:
    """A deed, and the verdict of an episode that is kept."""

    deed: Deed
    success: bool | None = None


_ALLOWED = {
    Stage.READY: {'start': Deed.BEGIN, 'quit': Deed.QUIT},
    Stage.RECORDING: {
        'start': Deed.FREEZE, 'stop': Deed.FREEZE, 'success': Deed.KEEP, 'failure': Deed.KEEP,
        'redo': Deed.REDO, 'discard': Deed.DISCARD},
    Stage.REVIEW: {
        'start': Deed.KEEP, 'keep': Deed.KEEP, 'success': Deed.KEEP, 'failure': Deed.KEEP,
        'redo': Deed.REDO, 'discard': Deed.DISCARD},
    Stage.OVER: {},
}
_NEXT = {Deed.BEGIN: Stage.RECORDING, Deed.FREEZE: Stage.REVIEW, Deed.KEEP: Stage.READY,
         Deed.DISCARD: Stage.READY, Deed.REDO: Stage.RECORDING, Deed.QUIT: Stage.OVER}
_VERDICTS = {'success': True, 'failure': False}


class RecordingSession:
    """Counts the episodes that are kept, up to `wanted`."""

    def __init__(self, kept: int, wanted: int) -> None:
        self.kept, self.wanted = kept, wanted
        self.stage = Stage.READY if kept < wanted else Stage.OVER
        self._quit = False
        self.verdict: bool | None = None  # of the running episode, as far as anybody judged

    def hear(self, word: str) -> Act | str:
        """Return what is to be done about a word, or why nothing is."""
        allowed = _ALLOWED[self.stage]
        if word not in allowed:
            return (f'{word}: got it while {self.stage.value}, '
                    f'allowed {", ".join(allowed) or "nothing more"}')
        deed = allowed[word]
        verdict = _VERDICTS.get(word, self.verdict)
        self.stage, self._quit = _NEXT[deed], deed is Deed.QUIT
        if deed in (Deed.BEGIN, Deed.REDO, Deed.KEEP, Deed.DISCARD):
            self.verdict = None
        if deed is Deed.KEEP:
            self.kept += 1
            if self.kept >= self.wanted:
                self.stage = Stage.OVER
        return Act(deed, verdict if deed is Deed.KEEP else None)

    def judge(self, success: bool) -> Act | None:
        """Take the simulator's verdict: the episode is over, and what it says is on record."""
        if self.stage is not Stage.RECORDING:
            return None
        self.stage, self.verdict = Stage.REVIEW, success
        return Act(Deed.FREEZE)

    def lose(self) -> None:
        """Note that the running episode is lost, as when the recorder died."""
        self.stage, self.verdict = Stage.READY, None

    def unkeep(self, count: int = 1) -> None:
        """Take back what the recorder could not keep; a session that a person ended stays so."""
        self.kept = max(0, self.kept - count)
        if not self._quit:
            self.lose()
