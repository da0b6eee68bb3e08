"""What a task is called and the sentences people ask for it with.

The first instruction of a task is its canonical one. `instructions` are trained on; `held_out`
are new combinations of the same words, kept for testing understanding. All sentences are
lower case without punctuation, and within one suite no sentence belongs to two tasks.
"""

from dataclasses import dataclass

BLOCK_COLOURS = ('red', 'blue', 'pink')


@dataclass(frozen=True)
class TaskLanguage:
    """One task and the sentences people ask for it with."""

    name: str
    instructions: tuple[str, ...]  # training paraphrases, the canonical one first
    held_out: tuple[str, ...]  # never trained on

    @property
    def canonical(self) -> str:
        """Return the sentence that stands for the task."""
        return self.instructions[0]

    @property
    def sentences(self) -> tuple[str, ...]:
        """Return all sentences of the task."""
        return self.instructions + self.held_out


def phrase(
    name: str, trained: tuple[str, ...], held_out: tuple[str, ...], **words: str
) -> TaskLanguage:
    """Return the task `name` whose sentences have the `words` in their {named} gaps."""
    return TaskLanguage(
        name.format(**words),
        tuple(sentence.format(**words) for sentence in trained),
        tuple(sentence.format(**words) for sentence in held_out),
    )
