"""Where an exam is held: on our own tables, or in CALVIN's simulator."""

from pathlib import Path
from typing import Protocol

from vla_core.chains import Chain, chains
from vla_core.protocols import Environment
from vla_core.tasks import draw_instruction
from vla_sim.calvin_environment import CalvinEnvironment
from vla_sim.calvin_package import exam_chains, sentences
from vla_sim.chains import chain_layout
from vla_sim.environment import TableEnvironment
from vla_sim.variation import Variation


class Venue(Protocol):
    """An environment and what an exam needs to know of it."""

    environment: Environment

    def vary(self, variation: Variation) -> None:
        """Say how the next table differs from the plain one."""

    def sentence(self, task: str, seed: int, held_out: bool) -> str:
        """Return what the episode `seed` of a task is asked with."""

    def chains(self) -> tuple[Chain, ...]:
        """Return the chains of the exam."""

    def lay(self, chain: Chain) -> None:
        """Set the table for a chain."""


class OwnTables:
    """Implements Venue with a scene of ours."""

    def __init__(self, robot: str, scene: str) -> None:
        self.environment = TableEnvironment(robot, scene)

    def vary(self, variation: Variation) -> None:
        """Vary light, colours, camera and the rest."""
        self.environment.set_variation(variation)

    def sentence(self, task: str, seed: int, held_out: bool) -> str:
        """Draw a sentence, of those never trained on where `held_out`."""
        return draw_instruction(task, seed, held_out)

    def chains(self) -> tuple[Chain, ...]:
        """Return our thousand chains."""
        return chains()

    def lay(self, chain: Chain) -> None:
        """Set the table by the chain's seed."""
        table = self.environment
        table.set_table(chain_layout(chain, table.scene, outside=table.variation.outside))


class CalvinTable:
    """Implements Venue with CALVIN's simulator, its chains and its one sentence a task."""

    def __init__(self, robot: str, dataset: Path) -> None:
        self.environment = CalvinEnvironment(dataset, robot)

    def vary(self, variation: Variation) -> None:
        """Leave the table as it is: what can vary here are the sentence and the delay."""

    def sentence(self, task: str, seed: int, held_out: bool) -> str:
        """Return CALVIN's sentence, or a held-out one of ours."""
        return draw_instruction(task, seed, held_out) if held_out else sentences()[task]

    def chains(self) -> tuple[Chain, ...]:
        """Return CALVIN's chains."""
        return exam_chains()

    def lay(self, chain: Chain) -> None:
        """Set the table as CALVIN does."""
        self.environment.set_table(chain.start)
