"""LeRobot's two language columns: subtasks that last, questions about one picture.

`language_persistent` repeats on every frame of an episode the list of its subtasks, each with
the `timestamp` [s] from which it is pursued. `language_events` has on the frame of a picture the
question (role `user`) and the answer (role `assistant`), style `vqa`. LeRobot 0.6 reads them;
0.4 and 0.5 cannot load a data set that has them.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from vla_core.episode import Episode, IMAGE_PREFIX, Question, SubtaskSpan
from vla_recorder.table import Table

PERSISTENT = 'language_persistent'
EVENTS = 'language_events'
FEATURE = {'dtype': 'language', 'shape': [1], 'names': None}
_IMAGE_KEY = 'observation.images.'

_EVENT = [
    pa.field('role', pa.string(), nullable=False), pa.field('content', pa.string()),
    pa.field('style', pa.string()), pa.field('camera', pa.string()),
    pa.field('tool_calls', pa.list_(pa.string()))]  # JSON; never any of ours
_TIMESTAMP = pa.field('timestamp', pa.float32(), nullable=False)
PERSISTENT_TYPE = pa.list_(pa.struct([*_EVENT[:3], _TIMESTAMP, *_EVENT[3:]]))
EVENTS_TYPE = pa.list_(pa.struct(_EVENT))


def language_arrays(episode: Episode, table: Table, fps: int) -> dict[str, pa.Array]:
    """Return both columns for the frames of `table`, the table of `episode`."""
    frames = table.stamps_ns
    starts = [min(int(np.searchsorted(frames, span.start_ns)), len(frames) - 1)
              for span in episode.subtasks]
    spans = [{**_row('assistant', span.text, 'subtask'), 'timestamp': start / fps}
             for span, start in zip(episode.subtasks, starts, strict=True)]
    events: list[list[dict]] = [[] for _ in frames]
    for question in episode.questions:
        pictures = table.shown_ns.get(IMAGE_PREFIX + question.camera, frames)
        camera = _IMAGE_KEY + question.camera.replace('/', '.')
        events[int(np.abs(pictures - question.stamp_ns).argmin())] += [
            _row('user', question.question, 'vqa', camera),
            _row('assistant', question.answer, 'vqa', camera)]
    return {PERSISTENT: pa.array([spans] * len(frames), PERSISTENT_TYPE),
            EVENTS: pa.array(events, EVENTS_TYPE)}


def subtasks_of(rows: Sequence[dict], end_ns: int) -> tuple[SubtaskSpan, ...]:
    """Return the subtasks of a frame's `language_persistent`: each lasts until the next."""
    found = sorted((round(row['timestamp'] * 1e9), row['content']) for row in rows
                   if row['style'] == 'subtask' and row['content'])
    ends = [start for start, _ in found[1:]] + [end_ns]
    return tuple(SubtaskSpan(start, max(start, end), text)
                 for (start, text), end in zip(found, ends, strict=True))


def questions_of(events: Sequence[Sequence[dict]], stamps_ns: np.ndarray) -> tuple[Question, ...]:
    """Return the questions of an episode's `language_events` that have an answer."""
    found = []
    for stamp, rows in zip(stamps_ns.tolist(), events, strict=True):
        asked: dict[str, str] = {}  # camera key -> question
        for row in rows or ():
            camera, content = row['camera'] or '', row['content'] or ''
            if row['style'] != 'vqa':
                continue
            if row['role'] == 'user':
                asked[camera] = content
            elif camera in asked:
                name = camera.removeprefix(_IMAGE_KEY)
                found.append(Question(stamp, name, asked.pop(camera), content))
    return tuple(found)


def _row(role: str, content: str, style: str, camera: str | None = None) -> dict:
    return {'role': role, 'content': content, 'style': style, 'camera': camera,
            'tool_calls': None}
