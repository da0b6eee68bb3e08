"""The file formats of an Episode, found by name or by looking at a path.

Each is a folder of this package, whose `codec` has three functions:

holds(path) -> bool                      does `path` look like this format; reads no episode
open_reader(path) -> EpisodeReader       raise InvalidDataError naming the file
open_writer(path, options) -> EpisodeWriter    begin, or append to a consistent data set
"""

from dataclasses import dataclass
import importlib
from pathlib import Path
from types import MappingProxyType, ModuleType

from vla_core.episode import EpisodeReader, EpisodeWriter
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.spec import RobotSpec


@dataclass(frozen=True)
class Format:
    """One file format."""

    name: str
    text: str  # one line for people
    module: str

    def load(self) -> ModuleType:
        """Import the codec; its libraries are imported only now."""
        return importlib.import_module(self.module)


@dataclass(frozen=True)
class WriteOptions:
    """What a writer must know beside the episodes."""

    robot: RobotSpec | None = None  # alignment and names of joints; None: as the episodes say
    fps: int | None = None  # frames a second of formats that have one; None: the episode's own
    name: str = 'vla_dataset'  # of the data set, where the format has one (RLDS)
    compress: bool = False  # images losslessly or by JPEG, where the format leaves the choice


_ALL = (
    Format('lerobot', 'LeRobotDataset v3.0: parquet and mp4', 'vla_recorder.lerobot.codec'),
    Format('hdf5', 'HDF5 in the layout of robomimic, lossless', 'vla_recorder.hdf5.codec'),
    Format('aloha', 'HDF5 in the layout of ALOHA, a file an episode', 'vla_recorder.aloha.codec'),
    Format('rlds', 'RLDS as a TFDS folder: tfrecord', 'vla_recorder.rlds.codec'),
    Format('mcap', 'ROS 2 bags in MCAP, one an episode', 'vla_recorder.bag.codec'),
    Format('calvin', "CALVIN's folder of npz files", 'vla_recorder.calvin.codec'),
)
FORMATS = MappingProxyType({format_.name: format_ for format_ in _ALL})


def find_format(name: str) -> Format:
    """Return the format; raise UnknownNameError with the allowed names."""
    if name not in FORMATS:
        raise UnknownNameError('format', name, FORMATS)
    return FORMATS[name]


def detect(path: Path) -> Format:
    """Return the format of the data set at `path`; raise InvalidDataError where none fits."""
    path = Path(path)
    if not path.exists():
        raise InvalidDataError(f'data set: got {path}, allowed an existing file or folder')
    for format_ in _ALL:
        if format_.load().holds(path):
            return format_
    raise InvalidDataError(
        f'{path}: not a data set of any known format; allowed {", ".join(FORMATS)}')


def open_dataset(path: Path, format_name: str | None = None) -> EpisodeReader:
    """Open a data set for reading, of the named format or of the one it looks like."""
    found = find_format(format_name) if format_name else detect(path)
    return found.load().open_reader(Path(path))


def create_dataset(path: Path, format_name: str, options: WriteOptions) -> EpisodeWriter:
    """Open a data set for writing; an existing one of that format grows."""
    return find_format(format_name).load().open_writer(Path(path), options)
