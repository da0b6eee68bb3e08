"""Episodes on disk to flat arrays that a training process maps into memory.

`build` reads every episode of some data sets once, of any format, and writes one .npy file an
array, so that several processes share the pages and a resumed run starts at once. N is all
frames of all episodes, T the rows of a chunk.

The auxiliary targets are privileged: where the simulator knows things to be. They are asked of
the model in training only, because they teach the camera stems to look; a policy never sees
them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, ExitStack
from dataclasses import dataclass, replace
import hashlib
import json
from pathlib import Path
import shutil

import numpy as np
from numpy.lib.format import open_memmap
from vla_core.episode import (
    ACTION,
    Episode,
    EpisodeReader,
    GRIPPER,
    IMAGE_PREFIX,
    JOINT_VELOCITY,
    PROGRESS,
    SIM_PREFIX,
    Stream,
    TOOL_POSE,
)
from vla_core.errors import InvalidDataError
from vla_core.lazy import blocks
from vla_policy.actions import Normalisation, state_vector
from vla_recorder.formats import open_dataset
from vla_recorder.hdf5.codec import list_episodes
from vla_recorder.recording.acted import CONTROL_MODE
from vla_recorder.table import tabulate

LANDMARKS = ('red_block', 'blue_block', 'pink_block', 'bowl', 'button', 'drawer_handle')
AUXILIARY_DIM = 3 * len(LANDMARKS) + 3  # positions, and tool -> named thing
_NAMED = {'red': 'red_block', 'blue': 'blue_block', 'pink': 'pink_block',
          'drawer': 'drawer_handle', 'button': 'button', 'led': 'button'}  # in a task's name
_AUXILIARY_SCALE = 0.1  # [m] a unit
_FAR = 6.0  # [0.1 m] what is farther has fallen off the table: nothing to look for
_ARRAYS = ('state', 'action', 'progress', 'auxiliary', 'episode', 'end', 'weight')
_META = 'frames.json'


@dataclass(frozen=True)
class Frames:
    """All frames of a training set, read-only."""

    images: Mapping[str, np.ndarray]  # camera -> (N, H, W, 3) uint8
    state: np.ndarray  # (N, S) float32 as vla_policy.actions.state_vector
    action: np.ndarray  # (N, 7) float32 clean expert label [m], [rad], 0..1
    progress: np.ndarray  # (N,) float32 0..1
    auxiliary: np.ndarray  # (N, AUXILIARY_DIM) float32 [0.1 m], NaN where unknown
    episode: np.ndarray  # (N,) int32 index into `sentences`
    end: np.ndarray  # (N,) int32 one past the last frame of the frame's episode
    weight: np.ndarray  # (N,) float32 how often a frame is drawn, sums to one
    sentences: tuple[str, ...]  # one an episode

    def __len__(self) -> int:
        return len(self.state)

    def normalisation(self) -> Normalisation:
        """Measure the scales of this set."""
        return Normalisation.measure(self.state, self.action)

    def chunks(self, index: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the next `steps` actions of frames (B,) and which of them are real.

        After the end of its episode a chunk rests: no motion, the last gripper, mask 0.
        Returns (B, T, 7) float32 and (B, T) float32.
        """
        rows = index[:, None] + np.arange(steps)
        last = self.end[index][:, None] - 1
        actions = self.action[np.minimum(rows, last)].copy()
        real = (rows <= last).astype(np.float32)
        actions[..., :6] *= real[..., None]
        return actions, real


@dataclass(frozen=True)
class _Place:
    """Where an episode is, and how often its frames are drawn."""

    folder: Path  # the data set
    index: int  # in it
    name: str  # name and size [bytes] tell episodes apart, wherever the data set lies
    size: int
    boost: float


def build(
    folders: Sequence[Path], out: Path, *, boost: Mapping[Path, float] | None = None,
    track: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> Frames:
    """Write the arrays of all episodes of the data sets `folders` to `out` and map them.

    Frames of a task are drawn by the square root of the task's share, so long tasks do not
    drown short ones; `boost` multiplies that for a folder (DAgger data). `track` may wrap the
    list of files in a progress bar. What failed as it was driven is left out.
    """
    places = _list(folders, boost or {})
    temporary = out.with_name(out.name + '.part')
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    _write(places, temporary, track)
    shutil.rmtree(out, ignore_errors=True)
    temporary.rename(out)
    return open_frames(out)


def check_source(
    folder: Path, folders: Sequence[Path], boost: Mapping[Path, float] | None = None
) -> None:
    """Refuse arrays that `build` made of other episodes than `folders` hold now."""
    built = _read_meta(folder).get('source')
    here = _source(_list(folders, boost or {}))
    if built != here:
        raise InvalidDataError(
            f'{folder}: built from other episodes ({_count(built)}) than are given now '
            f'({_count(here)}), allowed the same data, or another folder to train in')


def open_frames(folder: Path) -> Frames:
    """Map what `build` wrote."""
    meta = _read_meta(folder)
    images = {c: np.load(folder / f'{c}.npy', mmap_mode='r') for c in meta['cameras']}
    return Frames(images=images, sentences=tuple(meta['sentences']),
                  **{name: np.load(folder / f'{name}.npy') for name in _ARRAYS})


def _read_meta(folder: Path) -> dict:
    if not (folder / _META).is_file():
        raise InvalidDataError(f'{folder}: got no {_META}, allowed a folder written by build')
    return json.loads((folder / _META).read_text())


def _list(folders: Sequence[Path], boost: Mapping[Path, float]) -> list[_Place]:
    """Return the episodes of the data sets `folders`, each with its boost."""
    places = []
    for folder in folders:
        files = list_episodes(folder)
        if files:
            found = [(path.name, path.stat().st_size) for path in files]
        else:
            size = sum(path.stat().st_size for path in folder.rglob('*') if path.is_file())
            with closing(open_dataset(folder)) as reader:
                found = [(f'{folder.name}:{index}', size) for index in range(len(reader))]
        places += [_Place(folder, index, *known, boost.get(folder, 1.0))
                   for index, known in enumerate(found)]
    if not places:
        raise InvalidDataError(f'no episodes in {", ".join(map(str, folders))}')
    return places


class _Reader:
    """Reads episodes of any format as one table of frames; data sets are opened once."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._readers: dict[Path, EpisodeReader] = {}

    def read(self, place: _Place) -> Episode:
        """Return the episode; its pictures may be lazy."""
        if place.folder not in self._readers:
            self._readers[place.folder] = self._stack.enter_context(
                closing(open_dataset(place.folder)))
        episode = self._readers[place.folder].read(place.index)
        table = tabulate(episode)
        return replace(episode, streams={
            name: Stream(table.stamps_ns, values) for name, values in table.columns.items()})


def _source(places: Sequence[_Place]) -> dict[str, int | str]:
    """Return what tells sets of episodes apart, wherever they lie: names, sizes, boosts."""
    names = [[place.name, place.size, place.boost] for place in places]
    digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()
    return {'episodes': len(places), 'sha256': digest}


def _count(source: Mapping[str, int | str] | None) -> str:
    return 'unknown' if source is None else f'{source["episodes"]}, {source["sha256"][:8]}'


def _write(
    places: list[_Place], out: Path, track: Callable[[Sequence[Path]], Iterable[Path]],
) -> None:
    images: dict[str, np.ndarray] = {}
    columns: dict[str, list[np.ndarray]] = {name: [] for name in _ARRAYS}
    sentences, tasks, start, source = [], [], 0, _source(places)
    with ExitStack() as stack:
        reader = _Reader(stack)
        places = [p for p in places if not _is_failed_demonstration(reader.read(p))]
        if not places:
            raise InvalidDataError('data: got failed demonstrations only, allowed successful ones')
        lengths = [len(reader.read(place).streams[ACTION]) for place in places]
        for number, _ in enumerate(track([place.folder / place.name for place in places])):
            episode = reader.read(places[number])
            _write_images(episode, images, out, start, sum(lengths))
            for name, value in _columns(episode).items():
                columns[name].append(value)
            stop = start + lengths[number]
            columns['episode'].append(np.full(lengths[number], number, np.int32))
            columns['end'].append(np.full(lengths[number], stop, np.int32))
            sentences.append(episode.instruction)
            tasks.append(episode.task)
            start = stop
    columns['weight'] = [_weights(tasks, lengths, [place.boost for place in places])]
    for name in _ARRAYS:
        np.save(out / f'{name}.npy', np.concatenate(columns[name]))
    (out / _META).write_text(json.dumps(
        {'cameras': sorted(images), 'sentences': sentences, 'source': source}))


def _write_images(
    episode: Episode, images: dict[str, np.ndarray], out: Path, start: int, total: int
) -> None:
    """Put the pictures of an episode into the arrays (total, H, W, 3), which the first makes."""
    for camera in episode.cameras:
        values = episode.streams[IMAGE_PREFIX + camera].values
        if camera not in images:
            images[camera] = open_memmap(
                out / f'{camera}.npy', 'w+', np.uint8, (total, *values.shape[1:]))
        at = start
        for block in blocks(values):
            images[camera][at:at + len(block)] = block
            at += len(block)


def _columns(episode: Episode) -> dict[str, np.ndarray]:
    def values(name: str) -> np.ndarray:
        if name not in episode.streams:
            raise InvalidDataError(
                f'episode {episode.episode_id}: got no stream {name!r}, allowed one to train on')
        return episode.streams[name].values

    state = [state_vector(pose, float(opening), speed) for pose, opening, speed in zip(
        values(TOOL_POSE), values(GRIPPER), values(JOINT_VELOCITY), strict=True)]
    return {'state': np.stack(state), 'action': values(ACTION).astype(np.float32),
            'progress': _progress(values(PROGRESS)), 'auxiliary': _auxiliary(episode)}


def _progress(told: np.ndarray) -> np.ndarray:
    """Return (N,) float32 0..1: as it was said, else (NaN) the share of the episode's time.

    A person at the controls says no progress; that of a demonstration is how far along it is.
    """
    share = np.linspace(0.0, 1.0, len(told), dtype=np.float32)
    return np.where(np.isfinite(told), told, share).astype(np.float32)


def _is_failed_demonstration(episode: Episode) -> bool:
    """Say whether it failed as it was driven: what an expert labelled teaches all the same.

    Where there was a controller to have a mode, actions are what was carried out.
    """
    told = episode.streams.get(PROGRESS)
    unsaid = told is not None and not np.isfinite(told.values).any()
    return episode.success is False and (unsaid or CONTROL_MODE in episode.streams)


def _auxiliary(episode: Episode) -> np.ndarray:
    """Return (N, AUXILIARY_DIM) float32, NaN where the episode has no privileged state.

    Another scene may lack some landmarks (a CALVIN table has no bowl); the bowl's may not.
    """
    tool = episode.streams[TOOL_POSE].values[:, :3]
    prefix = f'{SIM_PREFIX}objects/'
    if not any(name.startswith(prefix) for name in episode.streams):
        return np.full((len(tool), AUXILIARY_DIM), np.nan, np.float32)
    known = {name: episode.streams[prefix + name].values[:, :3]
             for name in LANDMARKS if prefix + name in episode.streams}
    missing = [name for name in LANDMARKS if name not in known]
    if missing and episode.meta.get('scene', 'bowl') == 'bowl':
        raise InvalidDataError(
            f'episode {episode.episode_id}: got no place of {missing[0]}, '
            f'allowed all of {", ".join(LANDMARKS)}, or none')
    nowhere = np.full((len(tool), 3), np.nan)
    named = next((thing for word, thing in _NAMED.items() if word in episode.task), '')
    places = [known.get(name, nowhere) for name in LANDMARKS]
    parts = [*(place - (0.5, 0.0, 0.0) for place in places), known.get(named, nowhere) - tool]
    values = (np.concatenate(parts, 1) / _AUXILIARY_SCALE).astype(np.float32)
    values[np.abs(values) > _FAR] = np.nan
    return values


def _weights(tasks: list[str], lengths: list[int], boosts: list[float]) -> np.ndarray:
    share: dict[str, int] = {}
    for task, length in zip(tasks, lengths, strict=True):
        share[task] = share.get(task, 0) + length
    each = [boost / np.sqrt(share[task]) for task, boost in zip(tasks, boosts, strict=True)]
    weight = np.repeat(each, lengths)
    return (weight / weight.sum()).astype(np.float32)
