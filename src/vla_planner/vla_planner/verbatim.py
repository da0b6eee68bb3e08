"""The planner that hands the instruction on as it is: the policy alone reads the sentence."""

from collections.abc import Sequence

from vla_core.errors import InvalidDataError
from vla_core.types import ActionChunk, Done, Observation, Subtask

SUBTASK_ID = 'whole'


class VerbatimPlanner:
    """Implements `vla_core.protocols.Planner`; never ends an instruction, whoever asked does."""

    def reset(self) -> None:
        """Keep nothing between instructions."""

    def accept(self, instruction: str) -> None:
        """Raise InvalidDataError for an instruction without words."""
        if not instruction.strip():
            raise InvalidDataError(f'instruction: got {instruction!r}, allowed words')

    def next(
        self, observation: Observation, instruction: str, history: Sequence[ActionChunk]
    ) -> Subtask | Done:
        """Return the whole instruction as the one subtask."""
        del history
        return Subtask(
            subtask_id=SUBTASK_ID, episode_id=observation.episode_id, instruction=instruction,
            text=instruction, stamp_ns=observation.stamp_ns)
