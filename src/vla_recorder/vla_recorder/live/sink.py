"""Where raw messages go while they come: the seam between the recorder and a file format."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from vla_core.episode import Episode
from vla_recorder.recording.raw_channels import Channel

STRANGE = 'not_understood/'  # + topic, in the meta of an episode: number of messages
Finish = Callable[[], None]  # makes an ended episode durable; it may take its time


class Sink(Protocol):
    """Takes the messages of one episode at a time; called from one thread.

    The headers are episodes without streams. A VlaError concerns the episode, an OSError the
    disk.
    """

    def begin(self, header: Episode) -> None:
        """Begin an episode with what is known of it."""

    def write(self, channel: Channel, stamp_ns: int, heard_ns: int, data: bytes) -> None:
        """Take one message as it came; stamps of a channel only grow."""

    def rest(self) -> None:
        """Nothing came for a while: put down what is held back."""

    def end(self, header: Episode) -> Finish:
        """End the episode with all that is known of it; `Finish` runs in another thread."""

    def discard(self) -> None:
        """Forget the running episode."""

    def close(self) -> None:
        """Release everything; called when every `Finish` has returned."""


def with_strange(header: Episode, counts: Mapping[str, int]) -> Episode:
    """Return the header with the numbers of messages that could not be understood."""
    told = {STRANGE + topic: count for topic, count in counts.items()}
    return replace(header, meta={**header.meta, **told})
