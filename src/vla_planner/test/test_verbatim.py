"""The verbatim planner says what it was told, and refuses silence."""

import numpy as np
import pytest
from vla_core.errors import InvalidDataError
from vla_core.types import Observation
from vla_planner.verbatim import VerbatimPlanner


def test_the_subtask_is_the_instruction() -> None:
    seen = Observation(7, 'e', {}, np.zeros(7), np.zeros(7), np.zeros(7), 1.0)
    subtask = VerbatimPlanner().next(seen, 'turn on the green lamp', ())
    assert (subtask.text, subtask.episode_id, subtask.stamp_ns) == (
        'turn on the green lamp', 'e', 7)


def test_an_empty_instruction_is_refused() -> None:
    with pytest.raises(InvalidDataError, match='allowed words'):
        VerbatimPlanner().accept('  ')
