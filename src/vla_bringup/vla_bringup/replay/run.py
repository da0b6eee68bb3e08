"""Everything a replay can be told, and what is made of it before any node starts."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vla_bringup.replay.bag_source import BagSource
from vla_bringup.replay.identity import Identity, PLANNERS, policy_digests
from vla_bringup.replay.mapped_source import MappedSource
from vla_bringup.replay.script import Script, ScriptBuilder, SensorSource
from vla_core.errors import InvalidDataError, UnknownNameError, VlaError
from vla_core.protocols import Planner
from vla_planner.embedded import EmbeddedPlanner
from vla_planner.language import parse
from vla_planner.verbatim import VerbatimPlanner

HEADS = ('', 'flow', 'l1')


@dataclass(frozen=True)
class ReplayConfig:
    """What is replayed, and through what."""

    bag: Path
    policy: str = 'default'
    head: str = ''  # '' is the checkpoint's own choice
    threads: int = 1  # of an inference
    planner: str = ''  # '' is 'embedded' where its grammar knows the instruction
    robot: str = ''  # '' is the one the bag tells
    instruction: str = ''  # '' is the one the bag tells
    episode: int | None = None  # of a data set or of a map that parts the bag
    topic_map: Path | None = None
    stall_s: float = 30.0  # a node of the graph that is silent for longer ends the replay


def open_source(config: ReplayConfig) -> SensorSource:
    """Open the bag; raise InvalidDataError that names it."""
    told = {'episode': config.episode, 'robot': config.robot, 'instruction': config.instruction}
    if config.topic_map is not None:
        return MappedSource(config.bag, config.topic_map, **told)
    return BagSource(config.bag, **told)


def prepare(config: ReplayConfig) -> tuple[Script, Identity]:
    """Check everything and return the script; the caller closes its source."""
    if config.head not in HEADS:
        raise UnknownNameError('head', config.head, HEADS[1:])
    if not 1 <= config.threads <= 64:
        raise InvalidDataError(f'--threads: got {config.threads}, allowed 1 to 64')
    source = open_source(config)
    try:
        planner = choose_planner(config.planner, source.instruction)
        policy, weights = policy_digests(config.policy, source.robot, config.head)
        script = ScriptBuilder(source).build()
    except BaseException:
        source.close()
        raise
    return script, Identity(
        source.robot.name, source.episode_id, source.instruction, planner, policy,
        config.policy, weights)


def choose_planner(name: str, instruction: str) -> str:
    """Return the planner to use; raise a VlaError for one that does not take the instruction."""
    if name and name not in PLANNERS:
        raise UnknownNameError('planner', name, PLANNERS)
    if name != 'embedded':
        try:
            parse(instruction)
        except VlaError:
            return 'verbatim'
        return name or 'embedded'
    parse(instruction)
    return name


def make_planner(name: str) -> Planner:
    """Return a planner of the name."""
    makers: dict[str, Callable[[], Planner]] = {
        'embedded': EmbeddedPlanner, 'verbatim': VerbatimPlanner}
    return makers[name]()
