"""A data set in exactly CALVIN's layout, made with NumPy alone as CALVIN's own scripts do.

Keys, shapes and types are those of dataset/README.md and of the files themselves; only the
pictures are smaller. `np.save` of a dict is what its annotator calls.
"""

from pathlib import Path

import numpy as np

PICTURES = {  # key -> (shape here, type)
    'rgb_static': ((20, 20, 3), np.uint8),
    'rgb_gripper': ((8, 8, 3), np.uint8),
    'rgb_tactile': ((16, 12, 6), np.uint8),
    'depth_static': ((20, 20), np.float32),
    'depth_gripper': ((8, 8), np.float32),
    'depth_tactile': ((16, 12, 2), np.float32),
}
# The exam's first robot state (calvin_agent/evaluation/utils.py): the arm at rest.
REST = np.array([
    0.02586889, -0.2313129, 0.5712808, 3.09045411, -0.02908596, 1.50013585, 0.07999963,
    -1.21779124, 1.03987629, 2.11978254, -2.34205014, -0.87015899, 1.64119093, 0.55344928, 1.0])
RANGE = {'rgb': 255, 'dep': 2.0}
FIRST = 358482  # as in CALVIN's debug data set
SENTENCE = 'push the sliding door to the left side'


def make_motion(frames: int, rng: np.random.Generator) -> np.ndarray:
    """Return robot_obs (N, 15) of a slow walk; the gripper closes half way."""
    steps = rng.uniform(-1.0, 1.0, (frames, 15)) * 0.004
    rows = REST + np.cumsum(steps, axis=0)
    rows[:, 14] = np.where(np.arange(frames) < frames // 2, 1.0, -1.0)
    return rows


def make_scene(frames: int, rng: np.random.Generator) -> np.ndarray:
    """Return scene_obs (N, 24): fixtures within their travel, blocks on the table."""
    fixtures = rng.uniform(0.0, 1.0, (frames, 4)) * (0.28, 0.22, 0.02, 0.088)
    lights = rng.integers(0, 2, (frames, 2))
    places = rng.uniform((0.0, -0.15, 0.46), (0.35, -0.03, 0.47), (frames, 3, 3))
    turns = rng.uniform((-3.0, -1.5, -3.0), (3.0, 1.5, 3.0), (frames, 3, 3))
    blocks = np.concatenate([places, turns], axis=-1).reshape(frames, 18)
    return np.concatenate([fixtures, lights, blocks], axis=1)


def relative_action(action: np.ndarray, robot_obs: np.ndarray) -> np.ndarray:
    """Return rel_actions (7,) as calvin_env/utils/utils.py makes it."""
    move = np.clip(action[:3] - robot_obs[:3], -0.02, 0.02) / 0.02
    turn = (action[3:6] - robot_obs[3:6] + np.pi) % (2 * np.pi) - np.pi
    return np.concatenate([move, np.clip(turn, -0.05, 0.05) / 0.05, action[-1:]])


def make_split(
    folder: Path, frames: int = 12, scene: str = 'calvin_scene_D', vectors: type = np.float64
) -> list[dict[str, np.ndarray]]:
    """Write one recording with two annotated segments; return its frames."""
    rng = np.random.default_rng(5)
    motion, things = make_motion(frames + 1, rng), make_scene(frames, rng)
    written = []
    (folder / 'lang_annotations').mkdir(parents=True)
    for k in range(frames):
        action = np.append(motion[k + 1, :6], motion[k + 1, 14])
        frame = {
            'actions': action, 'rel_actions': relative_action(action, motion[k]),
            'robot_obs': motion[k], 'scene_obs': things[k]}
        frame = {key: value.astype(vectors) for key, value in frame.items()}
        frame |= {key: (rng.random(shape) * RANGE[key[:3]]).astype(kind)
                  for key, (shape, kind) in PICTURES.items()}
        np.savez_compressed(folder / f'episode_{FIRST + k:07d}.npz', **frame)
        written.append(frame)
    last = FIRST + frames - 1
    np.save(folder / 'ep_lens.npy', np.array([frames]))
    np.save(folder / 'ep_start_end_ids.npy', [(FIRST, last)])
    np.save(folder / 'scene_info.npy', {scene: [FIRST, last]})
    annotate(folder, [(FIRST, FIRST + 5), (FIRST + 4, last)])
    return written


def annotate(folder: Path, indx: list[tuple[int, int]]) -> None:
    """Write auto_lang_ann.npy with the windows, all asking for one task."""
    np.save(folder / 'lang_annotations' / 'auto_lang_ann.npy', {
        'language': {'ann': [SENTENCE] * len(indx), 'task': ['move_slider_left'] * len(indx),
                     'emb': np.zeros((len(indx), 1, 384), np.float32)},
        'info': {'episodes': [], 'indx': [(np.int64(a), np.int64(b)) for a, b in indx]}})
