"""The task vocabulary: the names and sentences that simulation, training and planner share.

A suite is what one exam asks for. A task in two suites is the same object in both.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from vla_core.errors import UnknownNameError
from vla_core.tasks import bowl, table34, touch
from vla_core.tasks.bowl import TASKS
from vla_core.tasks.language import BLOCK_COLOURS, TaskLanguage

__all__ = ['BLOCK_COLOURS', 'SUITES', 'TASKS', 'TaskLanguage', 'draw_instruction', 'task']

SUITES: Mapping[str, Mapping[str, TaskLanguage]] = MappingProxyType(
    {'bowl': bowl.TASKS, 'table34': table34.TASKS, 'touch': touch.TASKS}
)
_ALL = {name: language for suite in SUITES.values() for name, language in suite.items()}
_STREAM = 7


def task(name: str) -> TaskLanguage:
    """Return the task called `name` of any suite; raise UnknownNameError with the allowed."""
    if name not in _ALL:
        raise UnknownNameError('task', name, _ALL)
    return _ALL[name]


def draw_instruction(name: str, seed: int, held_out: bool = False) -> str:
    """Return the sentence that the episode `seed` of the task `name` is asked with.

    It is one of the trained sentences, or one of the held-out ones where `held_out`.
    """
    language = task(name)
    sentences = language.held_out if held_out else language.instructions
    return sentences[int(np.random.default_rng([seed, _STREAM]).integers(len(sentences)))]
