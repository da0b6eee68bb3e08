"""A policy in the course of an episode: its step count, its previous chunk, its randomness."""

from dataclasses import replace

from vla_core.protocols import Policy
from vla_core.seeding import episode_rng, policy_step
from vla_core.types import ActionChunk, Observation, Subtask


class PolicySession:
    """Calls a policy as the in-process rollout does, from observations alone.

    `absolute` numbers chunks by the clock instead of by the policy's own count, so that a
    policy that was started again goes on above the numbers it used before.
    """

    def __init__(self, policy: Policy, step_hz: int, *, absolute: bool) -> None:
        self._policy = policy
        self._step_hz = step_hz
        self._absolute = absolute
        self._episode: str | None = None
        self._first_ns = 0
        self._previous: ActionChunk | None = None

    def see(self, observation: Observation) -> int:
        """Note an observation, answered or not; return its policy step in the episode."""
        if observation.episode_id != self._episode or observation.stamp_ns < self._first_ns:
            self._episode, self._first_ns = observation.episode_id, observation.stamp_ns
            self._previous = None
            self._policy.reset()
        return policy_step(observation.stamp_ns, self._first_ns, self._step_hz)

    def answer(self, observation: Observation, subtask: Subtask) -> ActionChunk:
        """Return the chunk that answers an observation."""
        step = self.see(observation)
        chunk = self._policy.infer(
            observation, subtask, previous=self._previous,
            rng=episode_rng(observation.episode_id, step))
        if self._absolute:
            chunk = replace(chunk, sequence=policy_step(observation.stamp_ns, 0, self._step_hz))
        self._previous = chunk
        return chunk
