"""The task vocabulary: the names and the sentences that simulation, training and planner share.

The first instruction of a task is its canonical one. `instructions` are trained on; `held_out`
are new combinations of the same words, kept for testing understanding. All sentences are
lower case without punctuation, and no sentence belongs to two tasks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from vla_core.errors import UnknownNameError

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


_LIFT = (
    'pick up the {} block',
    'lift the {} block',
    'raise the {} cube',
    'grab the {} block',
    'lift up the {} cube',
    'take the {} block',
    'pick the {} cube up',
    'raise the {} block off the table',
    'grasp the {} block and lift it',
    'hold the {} block up',
)
_LIFT_HELD_OUT = (
    'lift the {} cube off the table',
    'pick up the {} cube',
    'grab the {} cube and raise it',
    'raise the {} block',
)
_PUT = (
    'put the {} block in the bowl',
    'place the {} block into the bowl',
    'drop the {} cube into the bowl',
    'move the {} block to the bowl',
    'put the {} cube inside the bowl',
    'pick up the {} block and put it in the bowl',
    'take the {} block and drop it into the bowl',
    'set the {} cube down in the bowl',
    'bring the {} cube to the bowl',
    'lift the {} cube and place it in the bowl',
)
_PUT_HELD_OUT = (
    'place the {} cube in the bowl',
    'drop the {} block in the bowl',
    'grab the {} block and place it inside the bowl',
    'move the {} cube into the bowl',
)
_OPEN = (
    'open the drawer',
    'pull the drawer open',
    'slide the drawer open',
    'pull out the drawer',
    'pull the drawer out',
    'open up the drawer',
    'slide out the drawer',
    'get the drawer open',
    'pull the handle and open the drawer',
    'grab the handle and pull the drawer open',
)
_OPEN_HELD_OUT = (
    'pull open the drawer',
    'slide the drawer out',
    'open the drawer up',
    'grasp the handle and pull the drawer out',
)
_CLOSE = (
    'close the drawer',
    'shut the drawer',
    'push the drawer closed',
    'push the drawer shut',
    'slide the drawer closed',
    'push in the drawer',
    'push the drawer in',
    'slide the drawer shut',
    'push the drawer back in',
    'close up the drawer',
)
_CLOSE_HELD_OUT = (
    'slide the drawer back in',
    'slide in the drawer',
    'close the open drawer',
    'get the drawer closed',
)
_PRESS = (
    'press the button',
    'push the button',
    'hit the button',
    'push down the button',
    'press down on the button',
    'tap the button',
    'push the button down',
    'press the button down',
    'press on the button',
    'push down on the button',
)
_PRESS_HELD_OUT = (
    'press down the button',
    'push on the button',
    'hit down on the button',
    'tap on the button',
)


def _coloured(
    name: str, colour: str, trained: tuple[str, ...], held: tuple[str, ...]
) -> TaskLanguage:
    return TaskLanguage(
        name.format(colour),
        tuple(sentence.format(colour) for sentence in trained),
        tuple(sentence.format(colour) for sentence in held),
    )


def _all_tasks() -> tuple[TaskLanguage, ...]:
    lifts = [_coloured('lift_{}_block', c, _LIFT, _LIFT_HELD_OUT) for c in BLOCK_COLOURS]
    puts = [_coloured('put_{}_block_in_bowl', c, _PUT, _PUT_HELD_OUT) for c in BLOCK_COLOURS]
    return (
        *lifts,
        *puts,
        TaskLanguage('open_drawer', _OPEN, _OPEN_HELD_OUT),
        TaskLanguage('close_drawer', _CLOSE, _CLOSE_HELD_OUT),
        TaskLanguage('press_button', _PRESS, _PRESS_HELD_OUT),
    )


TASKS: Mapping[str, TaskLanguage] = MappingProxyType({t.name: t for t in _all_tasks()})


def task(name: str) -> TaskLanguage:
    """Return the task called `name`; raise UnknownNameError with the allowed names."""
    if name not in TASKS:
        raise UnknownNameError('task', name, TASKS)
    return TASKS[name]


def draw_instruction(name: str, seed: int) -> str:
    """Return the trained sentence that the episode `seed` of the task `name` is asked with."""
    sentences = task(name).instructions
    return sentences[int(np.random.default_rng([seed, 7]).integers(len(sentences)))]
