"""What any bag offers, whatever its storage: topics, and messages in the order of the file."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Place = tuple[int, ...]  # where a message lies; only the source that gave it understands it
Data = bytes | memoryview


@dataclass(frozen=True)
class Topic:
    """One topic of a bag."""

    name: str
    type_name: str  # as 'sensor_msgs/msg/Image'
    definition: str  # text of the type; empty where the bag has none
    encoding: str = 'ros2msg'  # or 'ros2idl'
    metadata: Mapping[str, str] = field(default_factory=dict)


class Message(NamedTuple):
    """One message as it lies in the bag."""

    topic: str
    log_ns: int  # when it was recorded [ns]
    place: Place
    data: Data  # CDR


def one_line(error: Exception) -> str:
    """Return what another library says, on one line."""
    return ' '.join(str(error).split())[:200] or type(error).__name__


class Source(Protocol):
    """The messages of a bag."""

    topics: Mapping[str, Topic]
    problems: list[str]  # a line for each part of the file that cannot be read

    def messages(
        self, topics: Collection[str], heads: Collection[str] = (),
    ) -> Iterator[Message]:
        """Yield the messages of `topics`; of those in `heads` the first 64 bytes may suffice."""

    def read(self, place: Place) -> Data:
        """Return one message again."""

    def close(self) -> None:
        """Close the files."""
