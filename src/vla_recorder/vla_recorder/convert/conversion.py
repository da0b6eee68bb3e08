"""One data set into another format: episode by episode, in constant memory.

The destination is written in a hidden folder beside it and gets its name when it is whole. A
conversion that was stopped, however, goes on after the last whole episode; one that is finished
stays as it is. An episode that cannot be read or written is named and costs no other.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
import hashlib
from pathlib import Path
from typing import Protocol

from vla_core.episode import Episode, EpisodeReader, EpisodeWriter
from vla_core.errors import InvalidDataError, VlaError
from vla_core.spec import load_robot, robot_names, RobotSpec
from vla_recorder.convert.journal import fingerprint, Journal
from vla_recorder.convert.place import alone, begin, check_space, finished, publish_folder
from vla_recorder.convert.progress import frames_of, watched
from vla_recorder.formats import create_dataset, detect, find_format, open_dataset, WriteOptions

_REOPEN = 64  # episodes; a reader keeps the files of lazy images open until it is closed


@dataclass(frozen=True)
class Conversion:
    """What becomes what."""

    source: Path
    destination: Path
    format_name: str
    options: WriteOptions = field(default_factory=WriteOptions)  # robot None: the episodes' own
    source_format: str | None = None  # None: as it looks
    first: int = 0  # episode of the source
    stop: int | None = None  # episode after the last one; None: all that follow
    skip_bad: bool = False
    topic_map: Path | None = None  # of a foreign bag


@dataclass(frozen=True)
class Converted:
    """How a conversion went."""

    source_format: str
    episodes: int  # in the destination
    bad: Mapping[int, str]  # episodes of the source that are not in it, and why
    finished: bool  # else a bad episode holds it up
    changed: bool  # False: it had been finished before
    problems: tuple[str, ...] = ()  # of a foreign bag: what could not be used, a line each


class Watcher(Protocol):
    """Hears how far a conversion is."""

    def begin(self, total: int, done: int) -> None:
        """Hear how many episodes there are, and are done already."""

    def advance(self, share: float) -> None:
        """Hear that this share (0..1) of the episode at hand is done."""

    def end(self, frames: int, left_out: int) -> None:
        """Hear that an episode is on the disk, and how many frames its table lacks."""

    def fail(self, index: int, message: str) -> None:
        """Hear that an episode is bad; before `begin`, that an earlier run found it so."""


def convert(plan: Conversion, watcher: Watcher) -> Converted:
    """Convert; raise InvalidDataError where nothing can be begun or the disk is full.

    Without `skip_bad`, a bad episode keeps the destination from being finished; the others are
    converted all the same and kept for the next call.
    """
    try:
        return _convert(plan, watcher)
    except OSError as error:
        where = f' ({error.filename})' if error.filename else ''
        raise InvalidDataError(
            f'{plan.destination}: {error.strerror or error}{where}; what is converted so far '
            'is kept, the same command goes on') from error


def _convert(plan: Conversion, watcher: Watcher) -> Converted:
    identity = _identity(plan)
    if known := finished(plan.destination, identity):
        return _as_it_is(known)
    check_space(plan.destination)
    with alone(plan.destination) as partial:
        if known := finished(plan.destination, identity):  # another process was faster
            return _as_it_is(known)
        return _Run(plan, watcher, partial, identity).result()


def _identity(plan: Conversion) -> dict[str, str]:
    """Return all that decides what the destination will be."""
    source, destination = plan.source.resolve(), plan.destination.resolve()
    if not source.exists():
        raise InvalidDataError(f'source: got {plan.source}, allowed an existing file or folder')
    if source in (destination, *destination.parents) or destination in source.parents:
        raise InvalidDataError(
            f'destination: got {plan.destination}, '
            'allowed a path neither in nor around the source')
    find_format(plan.format_name)
    if plan.topic_map is not None:
        kind = 'map ' + hashlib.sha256(plan.topic_map.read_bytes()).hexdigest()
    else:
        kind = plan.source_format or detect(source).name
    options = plan.options
    return {
        'source': source.name, 'state of the source': fingerprint(source), 'from': kind,
        'to': plan.format_name, 'episodes': f'{plan.first}:{plan.stop}',
        'robot': options.robot.name if options.robot else '', 'fps': str(options.fps),
        'name': options.name, 'compress': str(options.compress)}


def _as_it_is(journal: Journal) -> Converted:
    return Converted(
        journal.identity['from'], journal.episodes or 0, journal.bad, finished=True, changed=False)


class _Run:
    """One run of a conversion in its hidden folder."""

    def __init__(self, plan: Conversion, watcher: Watcher, partial: Path,
                 identity: Mapping[str, str]) -> None:
        self._plan, self._watcher, self._partial = plan, watcher, partial
        self._journal = begin(partial, Journal(identity))
        self._options = plan.options

    def result(self) -> Converted:
        """Convert what is left and give the destination its name if it is whole."""
        with closing(_Source(self._plan, self._journal.identity['from'])) as source:
            indices = range(len(source))[self._plan.first:self._plan.stop]
            self._options = replace(self._plan.options, robot=self._robot(source, indices))
            name = self._plan.format_name
            done = _count(self._partial, name)
            with closing(create_dataset(self._partial, name, self._options)) as writer:
                done = self._write(source, writer, indices, done)
        whole = self._plan.skip_bad or not self._journal.bad
        if whole:
            self._publish(done)
        return Converted(source.format_name, done, self._journal.bad, whole,
                         changed=True, problems=source.problems)

    def _robot(self, source: '_Source', indices: range) -> RobotSpec | None:
        """Return the robot of the options or of the first episode that can be read."""
        if self._plan.options.robot is not None:
            return self._plan.options.robot
        for index in indices:
            try:
                name = source.read(index).robot
            except (VlaError, OSError):
                continue  # told when its turn comes
            return load_robot(name) if name in robot_names() else None
        raise InvalidDataError(
            f'{self._plan.source}: got no episode that can be read among {len(indices)}')

    def _write(self, source: '_Source', writer: EpisodeWriter, indices: range, done: int) -> int:
        """Write the episodes that are not done and return how many there are then."""
        waiting = [index for index in indices if index not in self._journal.bad][done:]
        for index, message in self._journal.bad.items():
            self._watcher.fail(index, message)
        self._watcher.begin(len(indices), len(indices) - len(waiting))
        for index in waiting:
            done += self._write_one(source, writer, index)
        return done

    def _write_one(self, source: '_Source', writer: EpisodeWriter, index: int) -> bool:
        check_space(self._partial)
        try:
            episode = source.read(index)
            writer.write(watched(episode, self._watcher.advance))
        except VlaError as error:
            self._fail(index, str(error))
            return False
        except OSError as error:
            if error.errno is not None:  # the disk, not the episode
                raise
            self._fail(index, str(error).splitlines()[0])
            return False
        self._watcher.end(*frames_of(episode, self._plan.format_name, self._options))
        return True

    def _fail(self, index: int, message: str) -> None:
        message = message.replace(str(self._partial), str(self._plan.destination))
        message = message.removeprefix(f'episode {index}: ')  # who hears it adds it
        self._journal = replace(self._journal, bad={**self._journal.bad, index: message})
        self._journal.save(self._partial)
        self._watcher.fail(index, message)

    def _publish(self, episodes: int) -> None:
        if not episodes:
            raise InvalidDataError(
                f'{self._plan.source}: got no good episode, allowed 1 or more')
        publish_folder(self._partial, self._plan.destination,
                       replace(self._journal, episodes=episodes))


class _Source:
    """The episodes to convert; a reader that kept many files open is opened anew."""

    def __init__(self, plan: Conversion, format_name: str) -> None:
        self.format_name = format_name
        self._plan, self._reads = plan, 0
        self._reader = self._open()

    @property
    def problems(self) -> tuple[str, ...]:
        """What of a foreign bag could not be used."""
        return getattr(self._reader, 'problems', ())

    def __len__(self) -> int:
        return len(self._reader)

    def read(self, index: int) -> Episode:
        """Return an episode; the pictures of the one before are gone."""
        self._reads += 1
        if self._reads % _REOPEN == 0 and self._plan.topic_map is None:
            self._reader.close()
            self._reader = self._open()
        return self._reader.read(index)

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()

    def _open(self) -> EpisodeReader:
        if self._plan.topic_map is not None:
            from vla_recorder.bag.topic_map import open_bag
            return open_bag(self._plan.source, self._plan.topic_map)
        return open_dataset(self._plan.source, self.format_name)


def _count(partial: Path, format_name: str) -> int:
    """Return the number of whole episodes that an earlier run left."""
    if not find_format(format_name).load().holds(partial):
        return 0
    with closing(open_dataset(partial, format_name)) as reader:
        return len(reader)
