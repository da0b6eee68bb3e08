"""CALVIN's data sets among the formats: episodes are annotated segments, or whole recordings.

A data set is a folder with `training`, `validation` or both, or one of these itself; a split
without annotations is read recording by recording. What is written goes to `training`, in the
scene that the first episode names: `calvin_scene_A`, or our `table_a`, which is modelled on it.
"""

from pathlib import Path

from vla_core.episode import Episode
from vla_core.errors import InvalidDataError
from vla_recorder.calvin.layout import BLOCKS, LANGUAGE, RECORDINGS, VALIDATION_SCENE
from vla_recorder.calvin.reader import CalvinSplit, Segment
from vla_recorder.calvin.writer import CalvinWriter
from vla_recorder.formats import WriteOptions

SPLITS = ('training', 'validation')
_SCENES = {name.replace('calvin_scene_', 'table_').lower(): name for name in BLOCKS}


def holds(path: Path) -> bool:
    """Say whether `path` is a split of CALVIN's, or a folder with one."""
    return bool(_folders(path))


def open_reader(path: Path) -> 'CalvinReader':
    """Open the splits of a data set, `training` first."""
    folders = _folders(Path(path))
    if not folders:
        raise InvalidDataError(
            f'{path}: got no {RECORDINGS}, allowed a split of CALVIN or a folder with '
            f'{" or ".join(SPLITS)}')
    return CalvinReader(folders)


def open_writer(path: Path, options: WriteOptions) -> 'CalvinDatasetWriter':
    """Begin a data set, or add to one of ours."""
    del options  # rate, robot and packing are CALVIN's
    return CalvinDatasetWriter(path)


class CalvinReader:
    """An EpisodeReader; pictures stay in the files of their frames."""

    def __init__(self, folders: list[Path]) -> None:
        self._segments: list[tuple[CalvinSplit, Segment]] = []
        for folder in folders:
            split = CalvinSplit(folder)
            annotated = (folder / LANGUAGE).exists()
            found = split.segments if annotated else split.recordings
            self._segments += [(split, segment) for segment in found]

    def __len__(self) -> int:
        return len(self._segments)

    def read(self, index: int) -> Episode:
        """Return episode `index`; raise InvalidDataError naming the file."""
        split, segment = self._segments[index]
        return split.read(segment, lazy=True)

    def close(self) -> None:
        """Do nothing: a frame's file is open only while it is read."""


class CalvinDatasetWriter:
    """An EpisodeWriter that learns the scene from the first episode."""

    def __init__(self, path: Path) -> None:
        path = Path(path)
        is_split = path.name in SPLITS or (path / RECORDINGS).exists()
        self._folder = path if is_split else path / SPLITS[0]
        self._writer: CalvinWriter | None = None
        self._scene = ''

    def write(self, episode: Episode) -> None:
        """Append `episode` durably; see CalvinWriter. A data set has one scene."""
        named = str(episode.meta.get('scene', VALIDATION_SCENE))
        scene = _SCENES.get(named, named)
        if self._writer is None:
            self._writer, self._scene = CalvinWriter(self._folder, scene), scene
        if scene != self._scene:
            raise InvalidDataError(
                f'{self._folder}: got episode {episode.episode_id} of scene {named!r}, '
                f'allowed {self._scene}, as the episodes before it')
        self._writer.write(episode)

    def close(self) -> None:
        """Finish."""
        if self._writer is not None:
            self._writer.close()


def _folders(path: Path) -> list[Path]:
    candidates = (path, *(path / name for name in SPLITS))
    return [folder for folder in candidates if (folder / RECORDINGS).is_file()]
