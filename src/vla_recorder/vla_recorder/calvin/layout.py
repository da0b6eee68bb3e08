"""The layout of CALVIN's data sets: which files there are and what is in them.

Source: mees/calvin, dataset/README.md, and mees/calvin_env, datarenderer.py and conf/ (2022-12).
A data set has the folders `training` and `validation`; each holds one `episode_XXXXXXX.npz` a
30th of a second, `ep_start_end_ids.npy` with the first and last frame of every recording, both
inclusive, `ep_lens.npy`, `scene_info.npy` (training only: scene -> first and last frame) and
`lang_annotations/auto_lang_ann.npy`. The vectors are float64 in the data, float32 in its
README; both are read.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
import zipfile
import zlib

import numpy as np
from vla_core.errors import InvalidDataError

FPS = 30
PERIOD_S = 1.0 / FPS
RECORDINGS = 'ep_start_end_ids.npy'
LENGTHS = 'ep_lens.npy'
SCENES = 'scene_info.npy'
LANGUAGE = 'lang_annotations/auto_lang_ann.npy'

T_WORLD_BASE = np.array([-0.34, -0.46, 0.24, 0.0, 0.0, 0.0, 1.0])
"""Where CALVIN's Panda stands in the world of its data, (7,) [m]."""
T_TCP_TOOL = np.array([0.0, 0.0, 0.1034 - 0.14, 0.0, 0.0, 0.0, 1.0])
"""The tool point of our Panda in CALVIN's tcp frame, (7,) [m]: its fingers are longer."""
T_WORLD_BASE.flags.writeable = T_TCP_TOOL.flags.writeable = False

# scene_obs lists the blocks in the order of each scene's configuration (conf/scene/*.yaml).
BLOCKS = {
    'calvin_scene_A': ('pink_block', 'blue_block', 'red_block'),
    'calvin_scene_B': ('red_block', 'blue_block', 'pink_block'),
    'calvin_scene_C': ('blue_block', 'red_block', 'pink_block'),
    'calvin_scene_D': ('red_block', 'blue_block', 'pink_block'),
}
VALIDATION_SCENE = 'calvin_scene_D'  # of every split; validation folders do not say it


@dataclass(frozen=True)
class Entry:
    """One array of a frame's file; None in the shape is any size."""

    shape: tuple[int | None, ...]
    kind: str  # of the NumPy type: 'u' is uint8, 'f' float32 or float64
    required: bool = False

    def allowed(self) -> str:
        """Return what may be there, for an error."""
        sizes = ', '.join('any' if size is None else str(size) for size in self.shape)
        return f'{"uint8" if self.kind == "u" else "float"} ({sizes})'

    def fits(self, array: np.ndarray) -> bool:
        """Say whether the array may be there."""
        sizes = len(array.shape) == len(self.shape) and all(
            want in (None, got) for want, got in zip(self.shape, array.shape))
        kind = array.dtype == np.uint8 if self.kind == 'u' else array.dtype in (
            np.float32, np.float64)
        return sizes and kind


ENTRIES = {
    'rgb_static': Entry((None, None, 3), 'u', required=True),  # 200 x 200 in the data
    'rgb_gripper': Entry((None, None, 3), 'u', required=True),  # 84 x 84
    'rgb_tactile': Entry((None, None, 6), 'u'),  # 160 x 120, left finger then right
    'depth_static': Entry((None, None), 'f'),  # [m]
    'depth_gripper': Entry((None, None), 'f'),  # [m]
    'depth_tactile': Entry((None, None, 2), 'f'),  # [m]
    'robot_obs': Entry((15,), 'f', required=True),
    'scene_obs': Entry((24,), 'f', required=True),
    'actions': Entry((7,), 'f', required=True),
    'rel_actions': Entry((7,), 'f', required=True),
    'tool_target': Entry((7,), 'f'),  # ours: the tcp target that the action builds on, xyzw
}
VECTORS = tuple(name for name, entry in ENTRIES.items() if len(entry.shape) == 1)


def frame_path(folder: Path, number: int) -> Path:
    """Return the file of a frame."""
    return folder / f'episode_{number:07d}.npz'


def frame_keys(path: Path) -> tuple[str, ...]:
    """Return which of the known arrays a frame's file holds; raise InvalidDataError."""
    with _opened(path) as file:
        keys = tuple(key for key in ENTRIES if key in file.files)
    missing = [key for key, entry in ENTRIES.items() if entry.required and key not in keys]
    if missing:
        raise InvalidDataError(
            f'{path}: got no {missing[0]!r}, allowed a frame with '
            f'{", ".join(key for key, entry in ENTRIES.items() if entry.required)}')
    return keys


def read_frame(path: Path, keys: Iterable[str]) -> dict[str, np.ndarray]:
    """Return the named arrays of a frame; raise InvalidDataError naming file, key and shape."""
    with _opened(path) as file:
        return {key: _entry(path, file, key) for key in keys}


def _entry(path: Path, file: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    if key not in file.files:
        raise InvalidDataError(
            f'{path}: got no {key!r}, allowed the same arrays in every frame of a segment')
    try:
        array = file[key]
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidDataError(
            f'{path}: {key!r} cannot be read ({error}), allowed a whole array') from error
    if not ENTRIES[key].fits(array):
        raise InvalidDataError(
            f'{path}: got {key!r} {array.dtype} {array.shape}, allowed {ENTRIES[key].allowed()}')
    if key in VECTORS and not np.isfinite(array).all():
        raise InvalidDataError(f'{path}: got {key!r} with a non-finite number, allowed finite')
    return array


def _opened(path: Path) -> np.lib.npyio.NpzFile:
    try:
        file = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise InvalidDataError(
            f'{path}: no such frame, allowed recordings without a gap') from error
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise InvalidDataError(
            f'{path}: not a readable frame ({error}), allowed a whole .npz') from error
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise InvalidDataError(f'{path}: got a single array, allowed an .npz')
    return file
