"""The node's use of a policy equals the rollout's; the worker does the newest job."""

import threading

import numpy as np
from vla_core.seeding import episode_rng
from vla_core.types import ActionChunk, Observation, Representation, Subtask
from vla_policy.session import PolicySession
from vla_policy.worker import NewestWorker

STEP_NS = 1_000_000_000 // 12
SUBTASK = Subtask('s', 'e', 'lift', 'lift')
TIMEOUT_S = 10.0


class FakePolicy:
    """Draws one number a chunk and counts."""

    name = 'fake'

    def __init__(self) -> None:
        self.count = 0
        self.previous: list[ActionChunk | None] = []

    def infer(self, observation, subtask, *, previous, rng) -> ActionChunk:
        self.previous.append(previous)
        self.count += 1
        return ActionChunk(
            observation.stamp_ns, self.count - 1, observation.episode_id, subtask.subtask_id,
            self.name, Representation.EE_DELTA, 1 / 12,
            np.full((1, 7), rng.random(), np.float32), 0.0)

    def reset(self) -> None:
        self.count = 0


def observe(step: int, episode: str = 'e', offset_ns: int = 0) -> Observation:
    return Observation(offset_ns + step * STEP_NS, episode, {}, np.zeros(7), np.zeros(7),
                       np.zeros(7), 1.0)


def test_randomness_is_of_episode_and_step_whatever_the_clock() -> None:
    for offset_ns in (0, 123_000_000_000):
        session = PolicySession(FakePolicy(), 12, absolute=False)
        session.see(observe(0, offset_ns=offset_ns))
        chunk = session.answer(observe(4, offset_ns=offset_ns), SUBTASK)
        assert chunk.values[0, 0] == np.float32(episode_rng('e', 4).random())


def test_a_new_episode_forgets_the_one_before() -> None:
    policy = FakePolicy()
    session = PolicySession(policy, 12, absolute=False)
    first = session.answer(observe(0), SUBTASK)
    session.answer(observe(1), SUBTASK)
    other = session.answer(observe(2, 'f'), SUBTASK)
    assert policy.previous[0] is None and policy.previous[1] is first
    assert policy.previous[2] is None and other.sequence == 0


def test_absolute_numbers_go_on_after_a_restart() -> None:
    before = PolicySession(FakePolicy(), 12, absolute=True)
    for step in range(5):
        last = before.answer(observe(step), SUBTASK)
    after = PolicySession(FakePolicy(), 12, absolute=True).answer(observe(5), SUBTASK)
    assert after.sequence == last.sequence + 1


def test_worker_does_the_newest_waiting_job() -> None:
    begun, release, done = threading.Event(), threading.Event(), []

    def work(job: int) -> None:
        begun.set()
        assert release.wait(TIMEOUT_S)
        done.append(job)

    worker = NewestWorker(work)
    worker.submit(1)
    assert begun.wait(TIMEOUT_S)
    assert not worker.submit(2)
    assert worker.submit(3)
    release.set()
    while len(done) < 2:
        worker._thread.join(0.01)
    worker.close()
    assert done == [1, 3]
