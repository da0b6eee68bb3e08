"""Training samples at random from data sets on the disk: pictures, state, the next actions.

The numbers of all episodes are in memory (about 100 bytes a frame); pictures are read when they
are asked for. Several processes may use copies of one loader: each opens its own files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, ExitStack
from dataclasses import dataclass, fields
import logging
from pathlib import Path

import numpy as np
from vla_core.episode import EpisodeReader, Question
from vla_core.errors import InvalidDataError
from vla_recorder.formats import open_dataset
from vla_recorder.hdf5.codec import list_episodes
from vla_recorder.lerobot.layout import INFO
from vla_recorder.loader import any_format as loader_any
from vla_recorder.loader import hdf5 as loader_hdf5
from vla_recorder.loader import lerobot as loader_lerobot
from vla_recorder.loader.episode import EpisodeRows
from vla_recorder.loader.frame_cache import FrameCache

_LOG = logging.getLogger(__name__)
Found = Iterator[tuple[str, EpisodeRows | InvalidDataError]]  # a name, what it holds


@dataclass(frozen=True)
class Sample:
    """One frame and the actions from it on."""

    images: Mapping[str, np.ndarray]  # camera -> (H, W, 3) uint8 RGB
    state: np.ndarray  # (S,) float32
    action: np.ndarray  # (T, A) float32; after the episode's end the last one is repeated
    real: np.ndarray  # (T,) bool; False after the end of the episode
    instruction: str
    subtask: str
    stamp_ns: int
    episode: int
    frame: int  # within the episode


@dataclass(frozen=True)
class SampleBatch:
    """B samples, each array with B rows."""

    images: Mapping[str, np.ndarray]  # camera -> (B, H, W, 3) uint8 RGB
    state: np.ndarray  # (B, S) float32
    action: np.ndarray  # (B, T, A) float32
    real: np.ndarray  # (B, T) bool
    instruction: tuple[str, ...]
    subtask: tuple[str, ...]
    stamp_ns: np.ndarray  # (B,) int64
    episode: np.ndarray  # (B,) int64
    frame: np.ndarray  # (B,) int64

    def __len__(self) -> int:
        return len(self.state)

    def sample(self, row: int) -> Sample:
        """Return one of them."""
        values = {field.name: getattr(self, field.name)[row]
                  for field in fields(self) if field.name != 'images'}
        for name in ('stamp_ns', 'episode', 'frame'):
            values[name] = int(values[name])
        return Sample(images={name: pixels[row] for name, pixels in self.images.items()}, **values)


class Loader:
    """A map from 0 .. len - 1 to the samples of all episodes, one after another."""

    def __init__(
        self, episodes: Sequence[EpisodeRows], chunk: int = 16, problems: Sequence[str] = (),
    ) -> None:
        """Serve `episodes`, of which each has the shapes of the first, `chunk` actions a sample.

        `problems` are the lines about what was left out.
        """
        if chunk < 1:
            raise InvalidDataError(f'chunk: got {chunk} actions, allowed 1 or more')
        if not episodes:
            raise InvalidDataError(
                problems[0] if problems else 'loader: got no episode, allowed one or more')
        self.episodes, self.chunk, self.problems = tuple(episodes), chunk, tuple(problems)
        self._ends = np.cumsum([len(rows) for rows in self.episodes])
        self._cache = FrameCache()
        self._reported: set[str] = set()

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras."""
        return tuple(self.episodes[0].pictures)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def questions(self) -> list[tuple[int, Question]]:
        """Return what is asked about the loaded cameras' pictures, each with its sample."""
        found = []
        for rows, end in zip(self.episodes, self._ends.tolist()):
            for question in rows.questions:
                if question.camera in rows.pictures:
                    nearest = int(np.abs(rows.stamps_ns - question.stamp_ns).argmin())
                    found.append((end - len(rows) + nearest, question))
        return found

    def __getitem__(self, index: int) -> Sample:
        """Return sample `index`; InvalidDataError names the file of a picture not readable."""
        if not -len(self) <= index < len(self):
            raise IndexError(f'sample: got {index}, allowed 0 to {len(self) - 1}')
        return self._read(np.array([index % len(self)]), self._raise).sample(0)

    def batch(
        self, indices: Sequence[int] | np.ndarray, out: Mapping[str, np.ndarray] | None = None
    ) -> SampleBatch:
        """Return samples in the order asked for, read in the order they lie on the disk.

        A sample whose picture cannot be read is left out and told of once an episode in the
        log; InvalidDataError only where none is left. `out` (camera -> (B, H, W, 3) uint8) takes
        the pictures, in its first rows where some are left out.
        """
        return self._read(np.asarray(indices, dtype=np.int64), self._report, out)

    def close(self) -> None:
        """Close the files; they open again when they are needed."""
        self._cache.close()

    def _read(
        self, indices: np.ndarray, bad: Callable[[EpisodeRows, InvalidDataError], None],
        out: Mapping[str, np.ndarray] | None = None,
    ) -> SampleBatch:
        episode = np.searchsorted(self._ends, indices, side='right')
        frame = indices - (self._ends[episode] - self._lengths()[episode])
        images = out or {
            camera: np.empty((len(indices), pictures.height, pictures.width, 3), np.uint8)
            for camera, pictures in self.episodes[0].pictures.items()}
        good = np.ones(len(indices), dtype=bool)
        for k in np.argsort(indices, kind='stable').tolist():
            rows = self.episodes[episode[k]]
            try:
                for camera, pixels in images.items():
                    rows.pictures[camera].read_into(pixels[k], int(frame[k]), self._cache)
            except InvalidDataError as error:
                good[k] = False
                bad(rows, error)
        if not good.all():
            if not good.any():
                raise InvalidDataError(
                    f'batch: got {len(good)} samples none of which can be read, the first of '
                    f'{self.episodes[episode[0]].name}')
            episode, frame = episode[good], frame[good]
            for pixels in images.values():
                pixels[:len(frame)] = pixels[good]
            images = {camera: pixels[:len(frame)] for camera, pixels in images.items()}
        return self._numbers(episode, frame, images)

    def _numbers(
        self, episode: np.ndarray, frame: np.ndarray, images: Mapping[str, np.ndarray]
    ) -> SampleBatch:
        chosen = [(self.episodes[e], f) for e, f in zip(episode.tolist(), frame.tolist())]
        steps = np.arange(self.chunk)
        return SampleBatch(
            images=images,
            state=np.stack([rows.state[f] for rows, f in chosen]),
            action=np.stack([
                rows.action[np.minimum(f + steps, len(rows) - 1)] for rows, f in chosen]),
            real=np.stack([f + steps < len(rows) for rows, f in chosen]),
            instruction=tuple(rows.instructions[rows.instruction[f]] for rows, f in chosen),
            subtask=tuple(rows.subtask_at(f) for rows, f in chosen),
            stamp_ns=np.array([rows.stamps_ns[f] for rows, f in chosen]),
            episode=episode, frame=frame)

    def _lengths(self) -> np.ndarray:
        return np.diff(self._ends, prepend=0)

    def _raise(self, rows: EpisodeRows, error: InvalidDataError) -> None:
        raise InvalidDataError(f'{rows.name}: {error}') from error

    def _report(self, rows: EpisodeRows, error: InvalidDataError) -> None:
        if rows.name not in self._reported:
            self._reported.add(rows.name)
            _LOG.warning('%s: %s; its unreadable frames are left out', rows.name, error)


def open_loader(
    paths: Sequence[Path], chunk: int = 16, cameras: Sequence[str] | None = None,
    track: Callable[[Found], Found] = iter,
) -> Loader:
    """Open the data sets at `paths`, of any format, for samples of `chunk` actions.

    Without `cameras` it serves those of the first episode. What cannot be read, or has other
    shapes than the first episode, is left out with a line in `Loader.problems`; InvalidDataError
    where nothing is left. `track` may wrap the episodes in a progress bar.
    """
    episodes: list[EpisodeRows] = []
    problems: list[str] = []
    for name, found in track(_all(paths, cameras)):
        try:
            if isinstance(found, InvalidDataError):
                raise found
            if episodes:
                found = _like(episodes[0], found, name)
            episodes.append(found)
        except InvalidDataError as error:
            problems.append(str(error))
            _LOG.warning('%s; left out', error)
    return Loader(episodes, chunk, problems)


def _all(paths: Sequence[Path], cameras: Sequence[str] | None) -> Found:
    for path in map(Path, paths):
        if (path / INFO).is_file():
            yield from loader_lerobot.read_rows(path, cameras)
        elif path.is_dir() and (files := list_episodes(path)):
            yield from _hdf5(path, files, cameras)
        else:
            with closing(open_dataset(path)) as reader:
                yield from (_through_codec(reader, path, k, cameras) for k in range(len(reader)))


def _hdf5(path: Path, files: Sequence[Path], cameras: Sequence[str] | None) -> Found:
    with ExitStack() as later:
        reader: EpisodeReader | None = None
        for index, file in enumerate(files):
            try:
                rows = loader_hdf5.read_rows(file, cameras)
            except InvalidDataError as error:
                yield str(file), error
                continue
            if rows is not None:
                yield str(file), rows
                continue
            if reader is None:
                reader = later.enter_context(closing(open_dataset(path, 'hdf5')))
            yield _through_codec(reader, path, index, cameras)


def _through_codec(
    reader: EpisodeReader, path: Path, index: int, cameras: Sequence[str] | None
) -> tuple[str, EpisodeRows | InvalidDataError]:
    name = f'{path}: episode {index}'
    try:
        return name, loader_any.read_rows(reader, path, index, cameras)
    except InvalidDataError as error:
        return name, error


def _like(first: EpisodeRows, rows: EpisodeRows, name: str) -> EpisodeRows:
    """Refuse an episode that cannot stand in a batch with the first one."""
    for camera, pictures in first.pictures.items():
        other = rows.pictures.get(camera)
        got = 'none' if other is None else f'{other.width}x{other.height}'
        if got != f'{pictures.width}x{pictures.height}':
            raise InvalidDataError(
                f'{name}: got camera {camera!r} of {got} px, allowed '
                f'{pictures.width}x{pictures.height} as in {first.name}')
    for what in ('state', 'action'):
        got, allowed = getattr(rows, what).shape[1], getattr(first, what).shape[1]
        if got != allowed:
            raise InvalidDataError(
                f'{name}: got {what} of {got} numbers, allowed {allowed} as in {first.name}')
    return rows
