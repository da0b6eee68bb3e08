"""An episode as a recording of the Rerun viewer; needs the package rerun-sdk.

It is the one library here that is not installed with the suite: it is large, and a bag
(`vla convert --to mcap`) opens in Rerun as well.
"""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
from vla_core.episode import DEPTH_PREFIX, Episode, Stream, TOOL_POSE
from vla_core.errors import InvalidDataError
from vla_core.lazy import blocks

TIME = 'stamp'
_QUALITY = 90  # of JPEG: a recording is for looking at


def load_rerun() -> ModuleType:
    """Return the module; raise InvalidDataError that says what to do without it."""
    try:
        return importlib.import_module('rerun')
    except ImportError as error:
        raise InvalidDataError(
            '--rerun: got no package rerun-sdk, allowed after ./vla exec pip install rerun-sdk; '
            './vla convert DATASET OUT --to mcap writes what Rerun and Foxglove open, too'
        ) from error


def write_recording(path: Path, episode: Episode, rerun: ModuleType) -> None:
    """Write an episode to a .rrd file on its own time line; pictures a block at a time."""
    recording = rerun.RecordingStream('vla', recording_id=episode.episode_id)
    recording.save(str(path))
    recording.log('instruction', rerun.TextDocument(episode.instruction), static=True)
    for span in episode.subtasks:
        recording.set_time(TIME, duration=(span.start_ns - episode.start_ns) / 1e9)
        recording.log('subtask', rerun.TextLog(span.text))
    for name, stream in sorted(episode.streams.items()):
        if not len(stream):
            continue
        if len(stream.values.shape) > 2:
            _pictures(recording, rerun, name, stream, episode.start_ns)
        else:
            _numbers(recording, rerun, name, stream, episode.start_ns)
    recording.disconnect()


def _pictures(
    recording: object, rerun: ModuleType, name: str, stream: Stream, start_ns: int,
) -> None:
    row = 0
    for block in blocks(stream.values):
        for picture in np.asarray(block):
            recording.set_time(TIME, duration=(int(stream.stamps_ns[row]) - start_ns) / 1e9)
            if name.startswith(DEPTH_PREFIX):
                metre = 1.0 if picture.dtype.kind == 'f' else 1000.0
                shown = rerun.DepthImage(picture, meter=metre)
            else:
                shown = rerun.Image(picture)
                shown = shown.compress(jpeg_quality=_QUALITY) if picture.dtype == np.uint8 and (
                    picture.ndim == 3 and picture.shape[-1] == 3) else shown
            recording.log(name, shown)
            row += 1


def _numbers(
    recording: object, rerun: ModuleType, name: str, stream: Stream, start_ns: int,
) -> None:
    values = np.asarray(stream.values[:], np.float64).reshape(len(stream), -1)
    seconds = (stream.stamps_ns - start_ns) / 1e9
    times = [rerun.TimeColumn(TIME, duration=seconds)]
    recording.send_columns(name, indexes=times, columns=rerun.Scalars.columns(scalars=values))
    if name == TOOL_POSE and values.shape[1] == 7:
        recording.send_columns('tool', indexes=times, columns=rerun.Transform3D.columns(
            translation=values[:, :3], quaternion=values[:, 3:]))
        recording.log('tool/axes', rerun.TransformAxes3D(0.1), static=True)
        recording.log('tool_path', rerun.LineStrips3D([values[:, :3]]), static=True)
