"""Gates release a tick exactly when nothing is missing, whatever order messages arrive in."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from vla_core.ros.lockstep import (
    Ack,
    CONTROL,
    ControlGate,
    JointSample,
    PLANNER,
    PlannerGate,
    POLICY,
    PolicyGate,
    Slots,
)
from vla_core.types import ActionChunk, Observation, Representation, Subtask, Tick

STAMP, NEXT = 1_000, 2_000


def ack(node: str, sent: int, stamp_ns: int = STAMP) -> Ack:
    return Ack(stamp_ns, 0, 'e', node, sent)


def observation(stamp_ns: int = STAMP, episode_id: str = 'e') -> Observation:
    return Observation(stamp_ns, episode_id, {}, np.zeros(7), np.zeros(7), np.zeros(7), 1.0)


def chunk(stamp_ns: int = STAMP) -> ActionChunk:
    return ActionChunk(stamp_ns, 0, 'e', 's', 'policy', Representation.EE_DELTA, 0.1,
                       np.zeros((2, 7), np.float32), 0.5)


def subtask(stamp_ns: int = STAMP) -> Subtask:
    return Subtask('s', 'e', 'lift', 'lift', stamp_ns=stamp_ns)


def joints(stamp_ns: int = STAMP) -> JointSample:
    return JointSample(stamp_ns, np.zeros(7), np.zeros(7))


@given(st.permutations(range(6)))
def test_control_gate_opens_with_the_last_of_all_inputs_in_any_order(order: list[int]) -> None:
    gate = ControlGate()
    arrivals = [
        lambda: gate.on_tick(Tick(STAMP, 0, 'e', True)), lambda: gate.on_joints(joints()),
        lambda: gate.on_ack(ack(PLANNER, 1)), lambda: gate.on_ack(ack(POLICY, 1)),
        lambda: gate.on_subtask(subtask()), lambda: gate.on_chunk(chunk())]
    for index in order:
        assert gate.take() is None
        arrivals[index]()
    given_input = gate.take()
    assert given_input.subtask is not None and given_input.chunk is not None
    assert gate.take() is None


def test_control_gate_needs_only_joints_between_policy_steps() -> None:
    gate = ControlGate()
    gate.on_tick(Tick(STAMP, 1, 'e', False))
    assert gate.missing() == ['joint_states']
    gate.on_joints(joints())
    assert gate.take().chunk is None


def test_an_ack_of_nothing_sent_promises_nothing() -> None:
    gate = ControlGate()
    gate.on_tick(Tick(STAMP, 0, 'e', True))
    gate.on_joints(joints())
    gate.on_ack(ack(PLANNER, 0))
    gate.on_ack(ack(POLICY, 0))
    assert gate.take().subtask is None


def test_joint_states_of_other_stamps_do_not_open_the_gate() -> None:
    gate = ControlGate()
    gate.on_joints(joints(NEXT))
    gate.on_tick(Tick(STAMP, 1, 'e', False))
    assert gate.take() is None


@given(st.permutations(range(3)))
def test_policy_gate_waits_for_the_planners_word(order: list[int]) -> None:
    gate = PolicyGate()
    arrivals = [lambda: gate.on_observation(observation()), lambda: gate.on_ack(ack(PLANNER, 1)),
                lambda: gate.on_subtask(subtask())]
    for index in order:
        assert gate.take() is None
        arrivals[index]()
    assert gate.take().subtask == subtask()


def test_policy_gate_ignores_other_nodes_acks() -> None:
    gate = PolicyGate()
    gate.on_observation(observation())
    gate.on_ack(ack(CONTROL, 0))
    assert gate.take() is None


def test_policy_gate_keeps_the_running_step_when_the_next_one_comes_early() -> None:
    gate = PolicyGate()
    gate.on_observation(observation())
    gate.on_observation(observation(NEXT))
    gate.on_ack(ack(PLANNER, 0))
    gate.on_ack(ack(PLANNER, 0, NEXT))
    assert [gate.take().observation.stamp_ns for _ in range(2)] == [STAMP, NEXT]
    assert gate.take() is None


def test_policy_gate_leaves_a_step_that_the_planner_passed_over() -> None:
    gate = PolicyGate()
    gate.on_observation(observation())
    gate.on_observation(observation(NEXT))
    gate.on_ack(ack(PLANNER, 0, NEXT))
    assert gate.take().observation.stamp_ns == NEXT
    gate.on_ack(ack(PLANNER, 0))
    assert gate.take() is None


def test_planner_gate_waits_for_the_answer_to_the_step_before() -> None:
    gate = PlannerGate()
    gate.on_observation(observation())
    assert gate.take().previous is None
    gate.on_observation(observation(NEXT))
    assert gate.take() is None
    gate.on_chunk(chunk())
    assert gate.take() is None
    gate.on_ack(ack(POLICY, 1))
    assert gate.take().previous.stamp_ns == STAMP


def test_planner_gate_begins_an_episode_without_an_answer() -> None:
    gate = PlannerGate()
    gate.on_observation(observation())
    gate.take()
    gate.on_observation(observation(NEXT, 'other'))
    assert gate.take().previous is None


def test_slots_keep_the_newest_arrivals_only() -> None:
    slots: Slots[int] = Slots(capacity=2)
    for stamp in (5, 3, 4):
        slots.put(stamp, stamp)
    assert slots.get(5) is None and slots.get(3) == 3 and slots.get(4) == 4
    slots.forget(3)
    assert slots.get(3) is None
