"""A rosbag2 folder: storage files and `metadata.yaml`; a single storage file is one, too."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
import shutil
import tempfile

from vla_core.errors import InvalidDataError
from vla_recorder.bag.file import Contents
from vla_recorder.bag.mcap import LARGEST, McapSource
from vla_recorder.bag.source import Data, Message, one_line, Place, Source, Topic
from vla_recorder.bag.sqlite import SqliteSource
import yaml
import zstandard

METADATA = 'metadata.yaml'
ROOT = 'rosbag2_bagfile_information'
_PACKED = '.zstd'
_ENDINGS = ('.mcap', '.db3', f'.mcap{_PACKED}', f'.db3{_PACKED}')


class Bag:
    """The messages of one bag in all its files; a place is (file, place in the file)."""

    def __init__(self, path: Path) -> None:
        """Open a rosbag2 folder or one storage file; raise InvalidDataError naming it."""
        self.path = Path(path)
        self._problems: list[str] = []
        self._parts: list[Source] = []
        self._unpacked: tempfile.TemporaryDirectory | None = None
        files, each_message = _files(self.path)
        for file in files:
            try:
                self._parts.append(self._open(file, each_message))
            except (InvalidDataError, OSError, zstandard.ZstdError) as error:
                text = one_line(error) if not isinstance(error, InvalidDataError) else str(error)
                self._problems.append(text if str(file) in text else f'{file}: {text}')
        if not self._parts:
            self.close()
            raise InvalidDataError(self._problems[0])
        self.topics: dict[str, Topic] = {}
        for part in self._parts:
            self.topics |= part.topics

    @property
    def problems(self) -> list[str]:
        """A line for each part of the files that cannot be read, as far as was seen."""
        return self._problems + [line for part in self._parts for line in part.problems]

    def messages(
        self, topics: Collection[str], heads: Collection[str] = (),
    ) -> Iterator[Message]:
        """Yield the messages of `topics`, file after file."""
        for number, part in enumerate(self._parts):
            for topic, log_ns, place, data in part.messages(topics, heads):
                yield Message(topic, log_ns, (number, *place), data)

    def read(self, place: Place) -> Data:
        """Return one message again."""
        return self._parts[place[0]].read(place[1:])

    def close(self) -> None:
        """Close the files and remove what was unpacked."""
        for part in self._parts:
            part.close()
        if self._unpacked is not None:
            self._unpacked.cleanup()

    def _open(self, file: Path, each_message: bool) -> Source:
        plain = self._unpack(file) if file.name.endswith(_PACKED) else file
        unpack = _unpack_message if each_message else None
        if plain.suffix == '.db3':
            return SqliteSource(plain, unpack, shown=file)
        source = McapSource(plain, shown=file)
        return _Unpacking(source, unpack) if unpack else source

    def _unpack(self, file: Path) -> Path:
        """Unpack a file beside all others; memory stays constant, the disk must hold it."""
        if self._unpacked is None:
            self._unpacked = tempfile.TemporaryDirectory()
        plain = Path(self._unpacked.name) / file.name.removesuffix(_PACKED)
        with file.open('rb') as packed, plain.open('wb') as out:
            shutil.copyfileobj(zstandard.ZstdDecompressor().stream_reader(packed), out, 1 << 20)
        return plain


class _Unpacking:
    """A source in which each message is compressed for itself."""

    def __init__(self, source: McapSource, unpack: Callable[[Data], bytes]) -> None:
        self._source, self._unpack = source, unpack
        self.topics, self.problems = source.topics, source.problems

    def messages(
        self, topics: Collection[str], heads: Collection[str] = (),
    ) -> Iterator[Message]:
        for message in self._source.messages(topics, heads):
            yield message._replace(data=self._unpack(message.data))

    def read(self, place: Place) -> bytes:
        return self._unpack(self._source.read(place))

    def close(self) -> None:
        self._source.close()


def _unpack_message(data: Data) -> bytes:
    """Return a message; nothing for a corrupt one, as whoever decodes it will say."""
    try:
        if zstandard.frame_content_size(data) > LARGEST:
            return b''
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=LARGEST)
    except (zstandard.ZstdError, MemoryError):
        return b''


def _files(path: Path) -> tuple[list[Path], bool]:
    """Return the storage files of a bag and whether each message is compressed."""
    if path.is_file() and path.name.endswith(_ENDINGS):
        return [path], False
    if not path.is_dir():
        raise InvalidDataError(
            f'{path}: not a bag; allowed a rosbag2 folder or a file {", ".join(_ENDINGS)}')
    information = _information(path / METADATA)
    # Whatever path the metadata tells, the files lie in the folder: nothing leads out of it.
    files = [path / Path(name).name for name in information.get('relative_file_paths') or ()]
    files = files or sorted(p for p in path.iterdir() if p.name.endswith(_ENDINGS))
    if not files:
        raise InvalidDataError(f'{path}: got no storage file, allowed *.mcap or *.db3')
    return files, str(information.get('compression_mode', '')).lower() == 'message'


def _information(path: Path) -> dict:
    if not path.exists():  # of a recorder that was killed
        return {}
    try:
        information = yaml.safe_load(path.read_text())[ROOT]
        names = information.get('relative_file_paths') or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TypeError(f'relative_file_paths is {names!r}')
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError,
            UnicodeDecodeError) as error:
        reason = one_line(error)
        raise InvalidDataError(f'{path}: not the metadata of a bag ({reason})') from error
    return information


def metadata_text(file_name: str, contents: Contents) -> str:
    """Return `metadata.yaml`, version 9, of a bag of one MCAP file."""
    first_ns = contents.first_ns or 0

    def span() -> dict:
        return {'duration': {'nanoseconds': contents.last_ns - first_ns},
                'starting_time': {'nanoseconds_since_epoch': first_ns},
                'message_count': contents.messages}

    topics = [
        {'topic_metadata': {
            'name': channel.topic, 'type': contents.schemas[channel.schema_id].name,
            'serialization_format': 'cdr', 'offered_qos_profiles': [],
            'type_description_hash': channel.metadata.get('topic_type_hash', '')},
         'message_count': contents.counts.get(number, 0)}
        for number, channel in contents.channels.items()]
    return yaml.safe_dump({ROOT: {
        'version': 9, 'storage_identifier': 'mcap', **span(),
        'topics_with_message_count': topics, 'compression_format': '', 'compression_mode': '',
        'relative_file_paths': [file_name], 'files': [{'path': file_name, **span()}],
        'custom_data': None, 'ros_distro': 'jazzy'}}, sort_keys=False)
