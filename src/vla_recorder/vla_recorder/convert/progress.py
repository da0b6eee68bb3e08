"""How far a writer is in an episode, and how many frames it has."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from vla_core.episode import ACTION, Episode, IMAGE_PREFIX, Stream
from vla_core.lazy import is_lazy, LazyArray
from vla_recorder.formats import WriteOptions
from vla_recorder.table import rules_of, tabulate

Tell = Callable[[float], None]
_OF_FRAMES = ('lerobot', 'rlds', 'aloha')  # formats that are one table of frames


@dataclass(frozen=True, eq=False)
class Watched:
    """Lazy values that tell the share of them (0..1) a reader has come to."""

    values: LazyArray
    tell: Tell

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return self.values.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return self.values.dtype

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> np.ndarray:
        self.tell(min(rows.indices(len(self))[1], len(self)) / max(1, len(self)))
        return self.values[rows]


def watched(episode: Episode, tell: Tell) -> Episode:
    """Return the episode so that reading its last lazy camera is told."""
    for camera in reversed(episode.cameras):
        name = IMAGE_PREFIX + camera
        stream = episode.streams[name]
        if is_lazy(stream.values):
            values = Watched(stream.values, tell)
            return replace(episode, streams={
                **episode.streams, name: Stream(stream.stamps_ns, values)})
    return episode


def frames_of(episode: Episode, format_name: str, options: WriteOptions) -> tuple[int, int]:
    """Return how many frames the episode has in a format, and how many its table lacks.

    Those are the instants without a fresh sample of every stream. A format without a table has
    the actions, or the pictures of the camera with most of them.
    """
    if format_name in _OF_FRAMES:
        rules = rules_of(options.robot) if options.robot else None
        table = tabulate(episode, rules, options.fps)
        return len(table.stamps_ns), table.dropped
    if ACTION in episode.streams:
        return len(episode.streams[ACTION]), 0
    return max((len(episode.streams[IMAGE_PREFIX + camera]) for camera in episode.cameras),
               default=0), 0
