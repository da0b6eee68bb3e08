"""Ask questions about pictures of an episode while it runs, since only then can one look again."""

from math import ceil
import zlib

import numpy as np
from vla_core.episode import Question
from vla_core.types import ActionChunk, JointCommand, Observation, SimState, Subtask, TaskOutcome
from vla_sim.environment import TableEnvironment
from vla_sim.questions import ask, Scenery
from vla_sim.sight import look

A_PICTURE = 4  # questions, of different kinds
_STATIC = 0.6  # share of the pictures that are of the static camera


class Asker:
    """A Subscriber that keeps questions about a few steps, every step alike likely."""

    def __init__(self, environment: TableEnvironment, count: int, seed: int) -> None:
        """Ask up to `count` questions about one episode; nothing else is drawn from `seed`."""
        self._environment, self._count = environment, count
        self._rng = np.random.default_rng([seed, zlib.crc32(b'questions')])
        self._kept: list[list[Question]] = []
        self._steps = 0

    def on_reset(self, observation: Observation, state: SimState, instruction: str) -> None:
        """Wait for the first step."""

    def on_step(
        self, observation: Observation, state: SimState, subtask: Subtask, chunk: ActionChunk
    ) -> None:
        """Ask about this step, perhaps instead of an earlier one (reservoir sampling)."""
        del chunk
        pictures = ceil(self._count / A_PICTURE)
        place = self._steps if self._steps < pictures else int(self._rng.integers(self._steps + 1))
        self._steps += 1
        if place >= pictures:
            return
        cameras = sorted(observation.images)
        others = [name for name in cameras if name != 'static']
        camera = 'static' if self._rng.random() < _STATIC or not others else str(
            self._rng.choice(others))
        asked = ask(Scenery(look(self._environment, camera), state, subtask.text),
                    A_PICTURE, self._rng)
        self._kept[place:place + 1] = [asked]

    def on_command(self, command: JointCommand) -> None:
        """Ignore set-points."""

    def on_end(self, outcome: TaskOutcome) -> None:
        """Ask no more."""

    def questions(self) -> tuple[Question, ...]:
        """Return what was asked, in the order of the pictures."""
        pictures = sorted((asked for asked in self._kept if asked), key=lambda a: a[0].stamp_ns)
        return tuple(question for asked in pictures for question in asked)[:self._count]
