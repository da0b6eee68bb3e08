"""An Episode of any rate as rows of CALVIN's 30 Hz.

Pictures, lights and gripper goals are held, poses, joints and openings run straight between
their samples. A frame's action is the target that the commanded motion reaches 1/30 s later
within its own policy step; the last frame is at or before the last sample, so a slower episode
ends within its last step. An episode with CALVIN's stamps keeps its rows as they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from vla_core.episode import (
    ACTION,
    Episode,
    GRIPPER,
    JOINT_POSITION,
    SIM_PREFIX,
    Stream,
    TOOL_POSE,
)
from vla_core.errors import InvalidDataError
from vla_core.geometry import interpolate_pose
from vla_core.spec import StreamSpec
from vla_core.timeline import align
from vla_recorder.calvin.layout import BLOCKS, FPS, PERIOD_S, VALIDATION_SCENE
from vla_recorder.calvin.reader import IMAGES, TOOL_TARGET
from vla_recorder.calvin.vectors import accumulate, JOINTS

_EXACT_NS = 1_000_000  # stamps this near to a frame's are the frame's
_LONGEST_S = 1.0  # gap between samples that is bridged
_HOLD = StreamSpec('hold', _LONGEST_S)
_BLEND = StreamSpec('interpolate', _LONGEST_S)
_POSES = (TOOL_POSE, *(f'{SIM_PREFIX}objects/{name}' for name in BLOCKS[VALIDATION_SCENE]))
_NUMBERS = (JOINT_POSITION, GRIPPER, *(f'{SIM_PREFIX}joints/{name}' for name in JOINTS[:4]))
_LIGHTS = tuple(f'{SIM_PREFIX}joints/{name}' for name in JOINTS[4:])
_REQUIRED = (*_POSES, *_NUMBERS, *_LIGHTS, ACTION, *IMAGES['rgb_static'], *IMAGES['rgb_gripper'])


@dataclass(frozen=True)
class Rows:
    """Streams of one length M at 30 Hz, and what each frame commands."""

    streams: Mapping[str, np.ndarray]  # name -> (M, ...)
    before: np.ndarray  # (M, 7) tool target at the frame
    recorded: bool  # whether the episode says `before`; else it follows from the actions
    targets: np.ndarray  # (M, 7) tool target 1/30 s later
    goals: np.ndarray  # (M,) gripper goal 0..1


def to_rows(episode: Episode) -> Rows:
    """Return the episode at 30 Hz; raise InvalidDataError for a stream that CALVIN needs."""
    missing = [name for name in _REQUIRED if name not in episode.streams]
    if missing:
        raise InvalidDataError(
            f'episode {episode.episode_id}: got no stream {missing[0]!r}, allowed in the layout '
            'of CALVIN: episodes of its table recorded with the privileged state')
    steps = episode.streams[ACTION]
    if not len(steps):
        raise InvalidDataError(
            f'episode {episode.episode_id}: got no step, allowed one or more')
    frames = _frames(steps.stamps_ns)
    streams = {name: _at(frames, name, episode.streams[name])
               for name in (*_REQUIRED, *_optional(episode)) if name != ACTION}
    origins, ends = _steps(episode)
    return Rows(
        streams=streams,
        before=_along(frames, 0.0, steps.stamps_ns, origins, ends),
        recorded=TOOL_TARGET in episode.streams,
        targets=_along(frames, PERIOD_S, steps.stamps_ns, origins, ends),
        goals=_at(frames, ACTION, Stream(steps.stamps_ns, steps.values[:, 6])))


def _frames(stamps: np.ndarray) -> np.ndarray:
    """Return the stamps (M,) of the frames: those of the steps where they are 30 Hz."""
    count = int((stamps[-1] - stamps[0] + _EXACT_NS) * FPS // 1_000_000_000) + 1
    frames = stamps[0] + np.arange(count) * 1_000_000_000 // FPS
    exact = len(frames) == len(stamps) and np.abs(frames - stamps).max() < _EXACT_NS
    return stamps if exact else frames


def _optional(episode: Episode) -> list[str]:
    return [name for parts in IMAGES.values() for name in parts
            if name in episode.streams and name not in _REQUIRED]


def _at(frames: np.ndarray, name: str, stream: Stream) -> np.ndarray:
    if name in _POSES:
        return align(frames, stream, _BLEND, name, interpolate_pose).values
    return align(frames, stream, _BLEND if name in _NUMBERS else _HOLD, name).values


def _steps(episode: Episode) -> tuple[np.ndarray, np.ndarray]:
    """Return where each step's motion begins and ends, both (N, 7).

    A disturbed demonstration's labels do not follow one another, so a step begins at the
    recorded target; without a record the labels were carried out, and each ends the last.
    """
    deltas = episode.streams[ACTION].values.astype(np.float64)
    if TOOL_TARGET not in episode.streams:
        poses = accumulate(episode.streams[TOOL_POSE].values[0], deltas)
        return poses[:-1], poses[1:]
    origins = episode.streams[TOOL_TARGET].values
    if len(origins) != len(deltas):
        raise InvalidDataError(
            f'episode {episode.episode_id}: got {len(origins)} rows of {TOOL_TARGET} for '
            f'{len(deltas)} actions, allowed one a row')
    return origins, np.array([accumulate(a, d[None])[1] for a, d in zip(origins, deltas)])


def _along(
    frames: np.ndarray, ahead_s: float, stamps: np.ndarray, origins: np.ndarray, ends: np.ndarray
) -> np.ndarray:
    """Return the target (M, 7) that the motion has `ahead_s` after each frame."""
    rows = np.searchsorted(stamps, frames, side='right') - 1
    lengths = np.diff(stamps) / 1e9
    step_s = np.append(lengths, np.median(lengths) if len(lengths) else PERIOD_S)
    share = ((frames - stamps[rows]) / 1e9 + ahead_s) / step_s[rows]
    share = np.where(share > 1.0 - 1e-3, 1.0, share)
    return np.array([interpolate_pose(origins[row], ends[row], float(s))
                     for row, s in zip(rows, share)])
