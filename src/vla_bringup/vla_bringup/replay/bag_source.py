"""A bag with the suite's own topics: ours, or one of `ros2 bag record` on the same robot."""

from collections.abc import Collection, Iterator
from pathlib import Path

from vla_bringup.replay.script import Sensed
from vla_bringup.replay.sensors import reference_topic, sensors_of
from vla_core.episode import Episode
from vla_core.errors import InvalidDataError
from vla_core.spec import load_robot, RobotSpec
from vla_recorder.bag.folder import Bag
from vla_recorder.bag.message import text_in
from vla_recorder.bag.out import episodes_in, HEADER, OPENING
from vla_recorder.bag.source import Place
from vla_recorder.bag.types import decode, types_of
from vla_recorder.header import header_from_json

SUBTASK = 'subtask'


class BagSource:
    """Implements SensorSource: messages as they are in the bag, under relative topics."""

    def __init__(
        self, path: Path, *, episode: int | None = None, robot: str = '', instruction: str = '',
    ) -> None:
        """Open a bag, or episode `episode` of a data set; raise InvalidDataError naming it."""
        self.path = find_bag(Path(path), episode)
        self.name = str(self.path)
        self._bag = Bag(self.path)
        try:
            self.header = header_in(self._bag)
            self.robot = self._find_robot(robot)
            self._namespace = self._find_namespace()
            self.touch = bool(self.robot.tactile) and not self._missing(touch=True)
            self._check_topics()
            self.episode_id = self.header.episode_id if self.header else self.path.stem[:64]
            self.instruction = instruction or self._find_instruction()
        except BaseException:
            self.close()
            raise

    def messages(self) -> Iterator[Sensed]:
        """Yield the robot's sensor messages; raise InvalidDataError where the bag is corrupt."""
        topics = {self._full(topic): topic
                  for topic in sensors_of(self.robot, touch=self.touch)}
        for message in self._bag.messages(topics):
            yield Sensed(topics[message.topic], message.place, message.data)
        if self._bag.problems:
            raise InvalidDataError(self._bag.problems[0])

    def read(self, place: Place) -> bytes:
        """Return one message again."""
        return bytes(self._bag.read(place))

    def close(self) -> None:
        """Close the files."""
        self._bag.close()

    # --- what the bag is of -------------------------------------------------------------------

    def _find_robot(self, wanted: str) -> RobotSpec:
        told = self.header.robot if self.header else ''
        if not told and not wanted:
            raise InvalidDataError(
                f'{self.name}: it does not say of which robot it is; allowed with --robot')
        robot = load_robot(wanted or told)
        if told and robot.name != told:
            raise InvalidDataError(
                f'{self.name}: got a bag of robot {told!r}, allowed {robot.name!r}')
        return robot

    def _find_namespace(self) -> str:
        wanted = reference_topic(self.robot)
        found = [name.removesuffix(wanted) for name in self._bag.topics
                 if f'/{name}'.endswith(f'/{wanted}')]
        if len(found) > 1:
            raise InvalidDataError(
                f'{self.name}: got {wanted} of {len(found)} robots ({", ".join(sorted(found))}), '
                'allowed one')
        return found[0] if found else '/'

    def _full(self, topic: str) -> str:
        """Return the bag's name of a topic; frames may be told outside of the namespace."""
        own = f'{self._namespace}{topic}'
        shared = f'/{topic}'
        return shared if own not in self._bag.topics and topic.startswith('tf') else own

    def _missing(self, *, touch: bool) -> list[str]:
        sensors = sensors_of(self.robot, touch=touch)
        return [topic for topic, channel in sensors.items()
                if self._full(topic) not in self._bag.topics and not channel.latched]

    def _check_topics(self) -> None:
        if missing := self._missing(touch=self.touch):
            known = ', '.join(sorted(self._bag.topics)) or 'none'
            raise InvalidDataError(
                f'{self.name}: got no topic {missing[0]}, which robot {self.robot.name!r} needs; '
                f'the bag has {known}')
        for topic, channel in sensors_of(self.robot, touch=self.touch).items():
            found = self._bag.topics.get(self._full(topic))
            if found is not None and found.type_name != channel.kind:
                raise InvalidDataError(
                    f'{self.name}: topic {found.name}: got {found.type_name}, '
                    f'allowed {channel.kind}')

    def _find_instruction(self) -> str:
        if self.header and self.header.instruction:
            return self.header.instruction
        for topic in (f'{self._namespace}{SUBTASK}', f'/{SUBTASK}'):
            if topic in self._bag.topics:
                return self._first_instruction(topic)
        raise InvalidDataError(
            f'{self.name}: it does not say what was asked for; allowed with --instruction')

    def _first_instruction(self, topic: str) -> str:
        store, bad = types_of([self._bag.topics[topic]])
        try:
            data = next(m.data for m in self._bag.messages((topic,)))
            return decode(store, data, self._bag.topics[topic].type_name).instruction
        except (StopIteration, KeyError, AttributeError, InvalidDataError) as error:
            why = bad.get(topic) or type(error).__name__
            raise InvalidDataError(
                f'{self.name}: topic {topic}: no instruction is told there ({why}); '
                'allowed with --instruction') from error


def find_bag(path: Path, episode: int | None) -> Path:
    """Return the bag at `path`, or one of the bags of the data set there."""
    if not path.exists():
        raise InvalidDataError(f'{path}: got no such file or folder, allowed a bag')
    bags = list(episodes_in(path)) if path.is_dir() else []
    if not bags:
        if episode:
            raise InvalidDataError(f'{path}: got episode {episode} of a single bag, allowed 0')
        return path
    if episode is None and len(bags) > 1:
        raise InvalidDataError(
            f'{path}: got a data set of {len(bags)} bags, allowed one of them: --episode 0 to '
            f'{len(bags) - 1}')
    if not 0 <= (episode or 0) < len(bags):
        raise InvalidDataError(f'{path}: got episode {episode}, allowed 0 to {len(bags) - 1}')
    return bags[episode or 0]


def header_in(bag: Bag, topics: Collection[str] = (HEADER, OPENING)) -> Episode | None:
    """Return what a bag of ours says of itself; None for another."""
    present = [topic for topic in topics if topic in bag.topics]
    texts = {m.topic: text_in(m.data) for m in bag.messages(present)} if present else {}
    told = texts.get(HEADER) or texts.get(OPENING)
    return header_from_json(told, {}) if told else None
