"""The file of a replay: NumPy arrays without a pickle, read and written whole."""

from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
import zipfile
import zlib

import numpy as np
from vla_bringup.replay.identity import Identity
from vla_bringup.replay.moment import Moment
from vla_core.errors import InvalidDataError

FORMAT = 1
_BROKEN = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Recording:
    """A replay from its first step to its last."""

    identity: Identity
    moments: tuple[Moment, ...]
    end: str = ''  # why it ended before the bag did
    wall_s: float = 0.0  # from the first answer to the last one; not kept in the file

    def speed(self, step_s: float) -> float:
        """Return the multiple of real time at which it ran; the first inference is start-up."""
        return (len(self.moments) - 1) * step_s / self.wall_s if self.wall_s else 0.0


def golden_path(bag: Path) -> Path:
    """Return where the golden actions of a bag are: beside it."""
    return bag.with_name(f'{bag.name}.golden.npz')


def save(path: Path, recording: Recording) -> None:
    """Write a recording so that the file is either the old or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    with partial.open('wb') as file:
        np.savez_compressed(file, **_arrays(recording))
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def load(path: Path) -> Recording:
    """Read a recording; raise InvalidDataError where it is missing or corrupt."""
    if not path.exists():
        raise InvalidDataError(f'{path}: got no golden actions, allowed with --update, '
                               'which makes them')
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays['header']))
        if header['format'] != FORMAT:
            raise ValueError(f'format {header["format"]!r}')
        moments = tuple(_moment(arrays, header, row) for row in range(len(arrays['stamps_ns'])))
        return Recording(Identity(**header['identity']), moments, header['end'])
    except _BROKEN as error:
        raise InvalidDataError(
            f'{path}: corrupt or no golden actions ({type(error).__name__}: '
            f'{" ".join(str(error).split())[:120]}), allowed a file that --update wrote'
        ) from error


def _arrays(recording: Recording) -> dict[str, np.ndarray]:
    moments = recording.moments
    names = list(moments[0].pictures) if moments else []
    spoken = [m.chunk for m in moments if m.chunk is not None]
    silent = np.full(spoken[0].shape if spoken else (0, 0), np.nan, np.float32)
    header = {'format': FORMAT, 'identity': asdict(recording.identity), 'pictures': names,
              'end': recording.end}
    return {
        'header': np.array(json.dumps(header)),
        'stamps_ns': np.array([m.stamp_ns for m in moments], np.int64),
        'pictures': np.array([[m.pictures[n] for n in names] for m in moments], 'U16'),
        'joint_position': np.array([m.joint_position for m in moments]),
        'joint_velocity': np.array([m.joint_velocity for m in moments]),
        'tool_pose': np.array([m.tool_pose for m in moments]),
        'gripper': np.array([m.gripper for m in moments]),
        'wrench': np.array([m.wrench for m in moments if m.wrench is not None]),
        'seen': np.array([m.seen for m in moments], 'U32'),
        'subtask': np.array([m.subtask for m in moments], 'U'),
        'answered': np.array([m.chunk is not None for m in moments]),
        'chunks': np.array([silent if m.chunk is None else m.chunk for m in moments]),
        'progress': np.array([m.progress for m in moments])}


def _moment(arrays: dict[str, np.ndarray], header: dict, row: int) -> Moment:
    wrenches = arrays['wrench']
    return Moment(
        int(arrays['stamps_ns'][row]),
        {name: str(arrays['pictures'][row, k]) for k, name in enumerate(header['pictures'])},
        arrays['joint_position'][row], arrays['joint_velocity'][row], arrays['tool_pose'][row],
        float(arrays['gripper'][row]), wrenches[row] if len(wrenches) else None,
        str(arrays['seen'][row]), str(arrays['subtask'][row]),
        arrays['chunks'][row] if arrays['answered'][row] else None,
        float(arrays['progress'][row]))
