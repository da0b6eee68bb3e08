"""Frames of synthetic cameras: a moving texture, a box that crosses it, a sensor's noise."""

import cv2
import numpy as np

HEIGHT, WIDTH = 480, 640
CYCLE = 30  # frames after which the scene begins again
NOISE = 2.0  # standard deviation [levels]


def frames(cameras: int, seed: int = 0) -> np.ndarray:
    """Return a cycle of each camera: (cameras, CYCLE, HEIGHT, WIDTH, 3) uint8 RGB."""
    rng = np.random.default_rng(seed)
    out = np.empty((cameras, CYCLE, HEIGHT, WIDTH, 3), np.uint8)
    for camera in range(cameras):
        coarse = rng.integers(40, 200, (12, 16, 3), dtype=np.uint8)
        texture = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        for k in range(CYCLE):
            out[camera, k] = _frame(texture, k, rng)
    return out


def _frame(texture: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    frame = np.roll(texture, 2 * k, axis=1).astype(np.float32)
    left = 20 + k * (WIDTH - 140) // CYCLE
    frame[200:280, left:left + 100] = (200, 60, 40)
    frame += NOISE * rng.standard_normal(frame.shape, dtype=np.float32)
    return np.clip(frame, 0, 255).astype(np.uint8)
