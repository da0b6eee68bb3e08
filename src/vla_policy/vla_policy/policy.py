"""A trained checkpoint as a Policy: observation and sentence in, a chunk of actions out.

The same input gives the same bits in every process: one thread, no state between calls but a
counter, and all noise from the generator that is passed in. Another number of threads, or
another processor, may round differently.
"""

import time

import numpy as np
import torch
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.spec import RobotSpec
from vla_core.types import ActionChunk, Observation, Representation, Subtask
from vla_policy.actions import state_vector
from vla_policy.checkpoint import Checkpoint, HEADS, load
from vla_policy.shipped import checkpoint_folder


class VlaPolicy:
    """Implements vla_core.protocols.Policy with a SmallVla."""

    def __init__(
        self, name: str, checkpoint: Checkpoint, spec: RobotSpec, head: str | None = None,
        threads: int = 1,
    ) -> None:
        head = checkpoint.head if head is None else head
        if head not in HEADS:
            raise UnknownNameError('head', head, HEADS)
        torch.set_num_threads(threads)
        self.name = name
        self.head = head
        self.chunk_steps = checkpoint.model.config.chunk
        self._checkpoint = checkpoint
        self._step_s = spec.policy.step_s
        self._sequence = 0

    def reset(self) -> None:
        """Start counting chunks again."""
        self._sequence = 0

    def infer(
        self,
        observation: Observation,
        subtask: Subtask,
        *,
        previous: ActionChunk | None,
        rng: np.random.Generator,
    ) -> ActionChunk:
        """Return the chunk that answers `observation`; `previous` is not looked at."""
        del previous
        began = time.perf_counter()
        values, progress = self._think(observation, subtask.text, rng)
        chunk = ActionChunk(
            stamp_ns=observation.stamp_ns, sequence=self._sequence,
            episode_id=observation.episode_id, subtask_id=subtask.subtask_id, source=self.name,
            representation=Representation.EE_DELTA, step_s=self._step_s,
            values=self._checkpoint.normalisation.decode(values), progress=progress,
            inference_s=time.perf_counter() - began)
        self._sequence += 1
        return chunk

    @torch.inference_mode()
    def _think(
        self, observation: Observation, text: str, rng: np.random.Generator
    ) -> tuple[np.ndarray, float]:
        """Return normalised rows (T, 7) float32 and the progress 0..1."""
        model = self._checkpoint.model
        prefix = model.prefix(*self._inputs(observation, text))
        if self.head == 'l1':
            rows = model.regress(prefix)[0]
            rows[:, 6] = rows[:, 6].sigmoid() * 2.0 - 1.0
        else:
            shape = (1, model.config.chunk, model.config.action_dim)
            noise = rng.standard_normal(shape, dtype=np.float32)
            rows = model.sample(prefix, torch.from_numpy(noise))[0]
        return rows.numpy(), float(model.progress(prefix.summary).sigmoid())

    def _inputs(
        self, observation: Observation, text: str
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
        """Return what SmallVla.prefix takes, as a batch of one."""
        checkpoint, config = self._checkpoint, self._checkpoint.model.config
        images = {name: _image(observation, name, config.image_px) for name in config.cameras}
        words = checkpoint.tokenizer.encode(text, config.words)
        words = words[:max(1, int((words > 0).sum()))]
        state = state_vector(
            observation.tool_pose, observation.gripper, observation.joint_velocity)
        return (
            images, torch.from_numpy(words)[None],
            torch.from_numpy(checkpoint.normalisation.encode_state(state))[None])


def load_policy(
    name_or_path: str, spec: RobotSpec, head: str | None = None, threads: int = 1
) -> VlaPolicy:
    """Return the shipped policy ('default') or the one in a checkpoint folder.

    Raises:
        UnknownNameError: for a name that is neither 'default' nor a folder.
        InvalidDataError: for a checkpoint that is missing, broken or of another robot.

    """
    folder = checkpoint_folder(name_or_path)
    return VlaPolicy(name_or_path, load(folder, spec), spec, head, threads)


def _image(observation: Observation, camera: str, side: int) -> torch.Tensor:
    image = observation.images.get(camera)
    if image is None or image.shape != (side, side, 3) or image.dtype != np.uint8:
        got = 'no image' if image is None else f'{image.dtype} {image.shape}'
        raise InvalidDataError(
            f'camera {camera!r}: got {got}, allowed uint8 {(side, side, 3)}')
    return torch.from_numpy(np.array(image))[None]  # a copy: shared memory may be read-only
