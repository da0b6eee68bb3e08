"""What a conversion is of, and how far it came: a hidden JSON file in its destination."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
import hashlib
import json
from pathlib import Path

from vla_core.errors import InvalidDataError
from vla_recorder.checksums import data_files
from vla_recorder.store import publish, temporary_file

JOURNAL = '.conversion.json'


@dataclass(frozen=True)
class Journal:
    """The same identity leads to the same destination, byte for byte."""

    identity: Mapping[str, str]  # of the source and of every option that matters
    bad: Mapping[int, str] = field(default_factory=dict)  # episode -> what is wrong with it
    episodes: int | None = None  # in the destination once it is finished

    def save(self, folder: Path) -> None:
        """Write it durably."""
        with temporary_file(folder) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1, sort_keys=True))
            publish(temporary, folder / JOURNAL)


def load_journal(folder: Path) -> Journal | None:
    """Return the journal in a folder; None where it is no conversion."""
    try:
        fields = json.loads((folder / JOURNAL).read_text())
        fields['bad'] = {int(index): message for index, message in fields['bad'].items()}
        return Journal(**fields)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidDataError(
            f'{folder / JOURNAL}: not the journal of a conversion ({error})') from error


def fingerprint(source: Path) -> str:
    """Return what tells this state of `source` from others: names, sizes, times of its files."""
    source = Path(source)
    names = data_files(source) if source.is_dir() else ['']
    digest = hashlib.sha256()
    for name in names:
        state = (source / name).stat()
        digest.update(f'{name}\0{state.st_size}\0{state.st_mtime_ns}\0'.encode())
    return digest.hexdigest()
