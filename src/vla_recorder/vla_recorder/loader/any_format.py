"""Episodes of any format for the loader, through the codec: slower, but no format is left out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from vla_core.episode import EpisodeReader, IMAGE_PREFIX
from vla_core.errors import InvalidDataError
from vla_recorder.loader.episode import EpisodeRows, LazyPictures, state_and_action
from vla_recorder.table import tabulate


def read_rows(
    reader: EpisodeReader, path: Path, index: int, cameras: Sequence[str] | None,
) -> EpisodeRows:
    """Return episode `index` of a reader of the data set at `path`.

    Streams of several rates are brought to one table of frames.
    """
    name = f'{path}: episode {index}'
    episode = reader.read(index)
    table = tabulate(episode)
    state, action = state_and_action(name, table.columns)
    pictures = {}
    for camera in episode.cameras if cameras is None else cameras:
        stream = IMAGE_PREFIX + camera
        if stream not in table.columns:
            raise InvalidDataError(
                f'{name}: got no camera {camera!r}, allowed {", ".join(episode.cameras)}')
        height, width = table.columns[stream].shape[1:3]
        pictures[camera] = LazyPictures(
            path, index, stream, int(height), int(width))
    return EpisodeRows(
        name=name, stamps_ns=table.stamps_ns, state=state, action=action, pictures=pictures,
        instructions=(episode.instruction,),
        instruction=np.zeros(len(table.stamps_ns), np.int32), subtasks=episode.subtasks,
        questions=episode.questions)
