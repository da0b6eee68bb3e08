"""One episode's files in a LeRobotDataset: videos, rows of frames, the line in meta/episodes."""

from collections.abc import Mapping
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from vla_core.episode import Episode
from vla_core.lazy import blocks
from vla_recorder.header import header_to_json
from vla_recorder.lerobot.layout import data_path, DataSet, place, video_path
from vla_recorder.lerobot.staging import Staging
from vla_recorder.lerobot.stats import FeatureStats, PixelStats, vector_stats
from vla_recorder.lerobot.table import Column, STAMP, to_tables
from vla_recorder.live.video import EncodedVideo
from vla_recorder.video import VideoEncoder


def write_columns(staging: Staging, index: int, columns: Mapping[str, Column], fps: int,
                  raw: bool) -> dict[str, FeatureStats]:
    """Write the videos and the data file of an episode; return the statistics of all columns."""
    stats = {}
    for key, column in columns.items():
        if column.kind == 'video':
            stats[key] = _write_video(staging.path(video_path(index, key)), column, fps)
        elif column.kind == 'array':
            stats[key] = vector_stats(column.values)
    pixels = {key: PixelStats(column.feature['shape'][2], column.values.dtype)
              for key, column in columns.items() if column.kind == 'image'}
    tables = to_tables(columns, pixels)
    first = next(tables).replace_schema_metadata({'raw': json.dumps(raw)})
    path = staging.path(data_path(index))
    with pq.ParquetWriter(path, first.schema, compression='snappy') as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table.cast(first.schema))
    return stats | {key: counted.stats() for key, counted in pixels.items()}


def _write_video(path: Path, column: Column, fps: int) -> FeatureStats:
    if isinstance(column.values, EncodedVideo) and column.values.fps == fps:
        return column.values.hand_over(path)
    height, width, channels = column.feature['shape']
    pixels = PixelStats(channels, column.values.dtype)
    encoder = VideoEncoder(path, height, width, fps)
    try:
        for block in blocks(column.values):
            for frame in block:
                encoder.add(frame)
                pixels.add(frame)
    finally:
        encoder.close()
    return pixels.stats()


def episode_line(data: DataSet, episode: Episode, columns: Mapping[str, Column],
                 stats: Mapping[str, FeatureStats]) -> pa.Table:
    """Return the episode's line of meta/episodes: LeRobot's columns, then ours."""
    index, steps, fps = data.episodes, len(columns[STAMP].values), data.info['fps']
    line: dict[str, object] = {
        'episode_index': index, 'tasks': [episode.instruction], 'length': steps,
        'dataset_from_index': data.frames, 'dataset_to_index': data.frames + steps}
    for group in ('data', 'meta/episodes'):
        line |= {f'{group}/{key}': value for key, value in place(index).items()}
    for key in (key for key, column in columns.items() if column.kind == 'video'):
        line |= {f'videos/{key}/{name}': value for name, value in place(index).items()}
        line |= {f'videos/{key}/from_timestamp': 0.0, f'videos/{key}/to_timestamp': steps / fps}
    for feature, values in stats.items():
        line |= {f'stats/{feature}/{name}': value.tolist() for name, value in values.items()}
    line |= {'episode_id': episode.episode_id, 'task': episode.task,
             'success': episode.success, 'seed': episode.seed, 'header': header_to_json(episode)}
    types = {'success': pa.bool_(), 'seed': pa.int64()}
    return pa.table({key: pa.array([value], types.get(key)) for key, value in line.items()})
