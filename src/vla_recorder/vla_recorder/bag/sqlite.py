"""Reading a rosbag2 file of the storage sqlite3."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
import sqlite3

from vla_core.errors import InvalidDataError
from vla_recorder.bag.source import Data, Message, one_line, Place, Topic

HEAD_BYTES = 64
_BROKEN = (sqlite3.Error, UnicodeDecodeError, OverflowError)


class SqliteSource:
    """The messages of one .db3 file by log time; a place is the number of the row.

    `unpack` undoes a compression of each message; `shown` is the path for people of a file that
    was unpacked elsewhere.
    """

    def __init__(self, path: Path, unpack: Callable[[bytes], bytes] | None = None,
                 shown: Path | None = None) -> None:
        path = Path(path)
        self.path = Path(shown or path)
        self.problems: list[str] = []
        self._unpack = unpack
        if not path.is_file():  # sqlite would look for a journal and say less
            raise InvalidDataError(f'{self.path}: got no such file')
        self._base = sqlite3.connect(f'{path.resolve().as_uri()}?mode=ro', uri=True)
        try:
            rows = self._base.execute('SELECT id, name, type FROM topics').fetchall()
            if not all(isinstance(name, str) and isinstance(kind, str) for _, name, kind in rows):
                raise sqlite3.DatabaseError('a topic without a name')
            definitions = self._definitions()
        except _BROKEN as error:
            self.close()
            raise InvalidDataError(
                f'{self.path}: not a rosbag2 database ({one_line(error)})') from error
        self._names = {number: name for number, name, _ in rows}
        self.topics: Mapping[str, Topic] = {
            name: Topic(name, type_name, *definitions.get(type_name, ('', '')))
            for _, name, type_name in rows}

    def messages(
        self, topics: Collection[str], heads: Collection[str] = (),
    ) -> Iterator[Message]:
        """Yield the messages of `topics` by log time, until the database is found corrupt."""
        wanted = [number for number, name in self._names.items() if name in topics]
        brief = [number for number, name in self._names.items()
                 if name in heads and self._unpack is None]
        try:
            rows = self._base.execute(
                'SELECT topic_id, timestamp, id, '
                f'CASE WHEN topic_id IN ({_marks(brief)}) THEN substr(data, 1, {HEAD_BYTES}) '
                f'ELSE data END FROM messages WHERE topic_id IN ({_marks(wanted)}) '
                'ORDER BY timestamp, id', [*brief, *wanted])
            for topic, log_ns, number, data in rows:
                yield Message(self._names[topic], log_ns, (number,), self._plain(data))
        except _BROKEN as error:
            problem = (f'{self.path}: cut or corrupt ({one_line(error)}); '
                       'the messages before it are read')
            if problem not in self.problems:
                self.problems.append(problem)

    def read(self, place: Place) -> Data:
        """Return one message again."""
        try:
            rows = self._base.execute('SELECT data FROM messages WHERE id = ?', place).fetchall()
        except _BROKEN as error:
            raise InvalidDataError(
                f'{self.path}: message {place[0]}: {one_line(error)}') from error
        return self._plain(rows[0][0])

    def close(self) -> None:
        """Close the database."""
        self._base.close()

    def _definitions(self) -> dict[str, tuple[str, str]]:
        """Return text and encoding by type; rosbag2 before Iron kept none."""
        known = self._base.execute(
            "SELECT name FROM sqlite_master WHERE name = 'message_definitions'").fetchall()
        if not known:
            return {}
        rows = self._base.execute(
            'SELECT topic_type, encoded_message_definition, encoding FROM message_definitions')
        return {type_name: (str(text), str(encoding)) for type_name, text, encoding in rows}

    def _plain(self, data: object) -> bytes:
        if not isinstance(data, bytes):
            return b''  # of a corrupt row: no message, as whoever decodes it will say
        return self._unpack(data) if self._unpack else data


def _marks(items: list[int]) -> str:
    return ', '.join('?' * len(items))
