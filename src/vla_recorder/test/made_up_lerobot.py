"""A data set as LeRobot itself lays it out: several episodes in every file, no true stamps."""

from collections.abc import Mapping
import json
from pathlib import Path

from made_up_episodes import make_images
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from vla_recorder.lerobot import images as lerobot_images
from vla_recorder.lerobot.language import EVENTS_TYPE, PERSISTENT_TYPE
from vla_recorder.video import VideoEncoder

FPS = 10
LENGTHS = (4, 6, 3)
# Which of a camera's videos an episode is in: each camera breaks its files where it likes.
FILES = {'front': (0, 0, 0), 'wrist': (0, 1, 1)}
_FILE = 'chunk-{chunk_index:03d}/file-{file_index:03d}'
_NUMBER = {'dtype': 'int64', 'shape': [1], 'names': None}


def picture(camera: str, episode: int) -> np.ndarray:
    """Return the pictures (N, H, W, 3) uint8 of a camera in an episode."""
    return make_images(LENGTHS[episode], phase=10 * episode + 60 * (camera == 'wrist'))


def states(episode: int) -> np.ndarray:
    """Return the states (N, 6) float32 of an episode; its actions are one more."""
    rng = np.random.default_rng(episode)
    return rng.normal(size=(LENGTHS[episode], 6)).astype(np.float32)


def write_theirs(root: Path, *, language: bool = False, **info: object) -> None:
    """Write the data set; `info` replaces keys of meta/info.json."""
    features = {
        'observation.state': {'dtype': 'float32', 'shape': [6], 'names': None},
        'action': {'dtype': 'float32', 'shape': [6], 'names': None},
        'next.reward': {'dtype': 'float32', 'shape': [1], 'names': None},
        'observation.images.still': _picture_feature('image'),
        'timestamp': {'dtype': 'float32', 'shape': [1], 'names': None},
        **dict.fromkeys(('frame_index', 'episode_index', 'index', 'task_index'), _NUMBER)}
    features |= {f'observation.images.{camera}': _picture_feature('video') for camera in FILES}
    if language:
        feature = {'dtype': 'language', 'shape': [1], 'names': None}
        features |= {'language_persistent': feature, 'language_events': feature}
    frames = pa.concat_tables([_frames(episode, language) for episode in range(len(LENGTHS))])
    _save(root / 'data/chunk-000/file-000.parquet', frames)
    _save(root / 'meta/tasks.parquet', pa.table({'task_index': [0, 1], 'task': ['lift', 'push']}))
    _save(root / 'meta/episodes/chunk-000/file-000.parquet', pa.Table.from_pylist(
        [_line(episode) for episode in range(len(LENGTHS))]))
    for camera, files in FILES.items():
        for file in sorted(set(files)):
            _write_video(root, camera, file)
    (root / 'meta/info.json').write_text(json.dumps({
        'codebase_version': 'v3.0', 'robot_type': 'so101', 'fps': FPS, 'chunks_size': 1000,
        'total_episodes': len(LENGTHS), 'total_frames': sum(LENGTHS), 'total_tasks': 2,
        'data_path': f'data/{_FILE}.parquet', 'video_path': f'videos/{{video_key}}/{_FILE}.mp4',
        'features': features, **info}))


def _frames(episode: int, language: bool) -> pa.Table:
    steps, first = LENGTHS[episode], sum(LENGTHS[:episode])
    rows: dict[str, object] = {
        'observation.state': states(episode).tolist(), 'action': (states(episode) + 1).tolist(),
        'next.reward': np.arange(steps, dtype=np.float32),
        'observation.images.still': lerobot_images.to_arrow(picture('still', episode)),
        'timestamp': (np.arange(steps) / FPS).astype(np.float32),
        'frame_index': np.arange(steps), 'episode_index': np.full(steps, episode),
        'index': first + np.arange(steps), 'task_index': np.full(steps, episode % 2)}
    if language:
        row = {'role': 'assistant', 'style': 'subtask', 'camera': None, 'tool_calls': None}
        spans = [{**row, 'content': 'reach', 'timestamp': 0.0},
                 {**row, 'content': 'close', 'timestamp': 0.2}]
        asked = {'role': 'user', 'style': 'vqa', 'camera': 'observation.images.front',
                 'content': 'what is it?', 'tool_calls': None}
        events = [[], [asked, {**asked, 'role': 'assistant', 'content': 'a cube'}]]
        events += [[]] * (steps - 2)
        rows |= {'language_persistent': pa.array([spans] * steps, PERSISTENT_TYPE),
                 'language_events': pa.array(events, EVENTS_TYPE)}
    return pa.table(rows)


def _line(episode: int) -> Mapping[str, object]:
    line: dict[str, object] = {
        'episode_index': episode, 'tasks': [['lift', 'push'][episode % 2]],
        'length': LENGTHS[episode], 'data/chunk_index': 0, 'data/file_index': 0}
    for camera, files in FILES.items():
        before = [k for k in range(episode) if files[k] == files[episode]]
        start = sum(LENGTHS[k] for k in before) / FPS
        key = f'videos/observation.images.{camera}'
        line |= {f'{key}/chunk_index': 0, f'{key}/file_index': files[episode],
                 f'{key}/from_timestamp': start,
                 f'{key}/to_timestamp': start + LENGTHS[episode] / FPS}
    return line


def _write_video(root: Path, camera: str, file: int) -> None:
    path = root / f'videos/observation.images.{camera}/chunk-000/file-{file:03d}.mp4'
    path.parent.mkdir(parents=True, exist_ok=True)
    encoder = VideoEncoder(path, 32, 48, FPS)
    for episode in range(len(LENGTHS)):
        for frame in picture(camera, episode) if FILES[camera][episode] == file else ():
            encoder.add(frame)
    encoder.close()


def _picture_feature(dtype: str) -> dict:
    return {'dtype': dtype, 'shape': [32, 48, 3], 'names': ['height', 'width', 'channels']}


def _save(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
