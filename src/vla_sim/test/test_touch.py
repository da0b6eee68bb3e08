"""The touch scene: cameras learn nothing, fingers learn what they need, experts use only that."""

from collections.abc import Iterator
from dataclasses import replace
import zlib

import numpy as np
import pytest
from vla_core.control.controller import ArmController
from vla_core.rollout import rollout
from vla_sim.collect import DisturbedExpert
from vla_sim.environment import TableEnvironment
from vla_sim.experts.touch.pick_by_feel import pick_by_feel
from vla_sim.scenes.touch import BLOCK_SIZE, BLOCKS, PEG_SIZE, PLATE_HEIGHT, RIM, TouchLayout
from vla_sim.tasks.touch.insert_peg import peg_foot

PEG_N = 0.04 * 9.81


@pytest.fixture(scope='module', params=['panda', 'ur5e'])
def hand(request) -> Iterator[TableEnvironment]:
    environment = TableEnvironment(request.param, 'touch')
    yield environment
    environment.close()


@pytest.fixture(scope='module')
def panda() -> Iterator[TableEnvironment]:
    environment = TableEnvironment('panda', 'touch')
    yield environment
    environment.close()


def layout_of(environment: TableEnvironment, seed: int, **changes) -> TouchLayout:
    drawn = environment.scene.sample(np.random.default_rng(seed))
    return replace(drawn, **changes)


def pictures(environment: TableEnvironment, layout: TouchLayout) -> bytes:
    environment.set_table(layout)
    return b''.join(image.tobytes() for image in environment.images().values())


class Felt:
    """A Subscriber that keeps what is seen and felt."""

    def __init__(self) -> None:
        self.states, self.wrenches, self.bits = [], [], []

    def on_reset(self, observation, state, instruction) -> None:
        pass

    def on_step(self, observation, state, subtask, chunk) -> None:
        self.states.append(state)
        self.wrenches.append(observation.wrench)
        seen = (*observation.images.values(), *observation.tactile.values(), observation.wrench)
        self.bits.append(b''.join(array.tobytes() for array in seen))

    def on_command(self, command) -> None:
        pass

    def on_end(self, outcome) -> None:
        pass


def run(
    environment: TableEnvironment, task: str, seed: int, timeout_s: float = 12.0
) -> tuple[bool, Felt]:
    felt = Felt()
    result = rollout(
        environment, ArmController(environment.spec), DisturbedExpert(environment), None, '',
        seed=seed, task=task, timeout_s=timeout_s, subscribers=(felt,))
    return result.outcome.success, felt


@pytest.mark.parametrize('spot', [(0.38, -0.05, 0.10), (0.40, 0.13, 0.10), (0.47, 0.13, 0.075)])
def test_cameras_cannot_tell_which_block_is_where(hand, spot) -> None:
    tool = np.array(spot)
    drawn = layout_of(hand, 5, tool=tool, box=np.array([0.47, 0.13]))
    swapped = replace(drawn, first=BLOCKS[drawn.first == BLOCKS[0]])
    assert pictures(hand, drawn) == pictures(hand, swapped)
    gone = replace(drawn, jitter=drawn.jitter + np.array([0.004, -0.01, 0.2]))
    assert pictures(hand, gone) == pictures(hand, drawn)  # they see no block at all
    elsewhere = replace(drawn, box=drawn.box + 0.02)
    assert pictures(hand, elsewhere) != pictures(hand, drawn)


def test_cameras_cannot_tell_where_the_hole_is(hand) -> None:
    drawn = layout_of(hand, 6, held='peg', tool=np.array([0.47, -0.16, 0.11]),
                      plate=np.array([0.47, -0.16]), hole=np.array([-0.008, 0.009]))
    assert pictures(hand, drawn) == pictures(hand, replace(drawn, hole=-drawn.hole))


def test_either_block_is_first_in_half_of_the_layouts(panda) -> None:
    firsts = [layout_of(panda, seed).first for seed in range(400)]
    assert 0.45 < firsts.count('soft_block') / 400 < 0.55


def test_fingers_tell_the_blocks_apart_that_look_alike(hand) -> None:
    hand.reset(0, '')
    untouched = hand.touch()
    felt = {}
    for block in BLOCKS:
        drawn = layout_of(hand, 2, first=block, jitter=np.zeros((2, 3)))
        spot = drawn.block(block)[:3]
        hand.set_table(replace(drawn, tool=spot + np.array([0.0, 0.0, 0.016]), held=block))
        felt[block] = hand.touch()
    for finger, flat in untouched.items():
        rough, smooth = (felt[block][finger].astype(int) - flat for block in reversed(BLOCKS))
        assert np.abs(rough).mean() > 2.0 * np.abs(smooth).mean() > 0.5


def test_fingers_face_each_other_and_feel_the_peg_on_both_sides(hand) -> None:
    hand.reset(3, 'insert_peg')
    left, right = hand.world.presses().values()
    axis = left.pad[:3] - right.pad[:3]
    assert np.linalg.norm(axis) == pytest.approx(PEG_SIZE, abs=5e-4)
    for press in (left, right):
        (touch,) = press.touches
        assert touch.force == pytest.approx(hand.spec.gripper.force_n, rel=0.05)
    down = left.touches[0].shear[1] + right.touches[0].shear[1]  # friction bears the peg
    assert down == pytest.approx(PEG_N, abs=0.1)


def test_wrench_reads_the_weight_of_what_is_held_along_the_tool(hand) -> None:
    free = hand.reset(3, 'pick_soft_block')
    assert not free.wrench.any()
    wrench = hand.reset(3, 'insert_peg').wrench
    np.testing.assert_allclose(wrench, [0.0, 0.0, PEG_N, 0.0, 0.0, 0.0], atol=0.06)


def test_expert_squeezes_the_nearer_block_and_takes_the_other_if_that_is_wrong(hand) -> None:
    seed = first_seed(hand, 'pick_soft_block', 'ridged_block')
    success, felt = run(hand, 'pick_soft_block', seed)
    squeezed = [name for state in felt.states for name in state.contacts]
    assert success and squeezed[0] == 'ridged_block' and squeezed[-1] == 'soft_block'
    assert all(state.objects['ridged_block'][2] < BLOCK_SIZE for state in felt.states)


def test_expert_lifts_the_nearer_block_at_once_if_it_is_right(panda) -> None:
    seed = first_seed(panda, 'pick_ridged_block', 'ridged_block')
    success, felt = run(panda, 'pick_ridged_block', seed)
    assert success and {name for state in felt.states for name in state.contacts} == {
        'ridged_block'}


def test_whoever_always_takes_the_nearer_block_fails_when_it_is_the_wrong_one(panda) -> None:
    scene = panda.scene
    seed = first_seed(panda, 'pick_soft_block', 'ridged_block')
    panda.scene = replace(scene, experts={**scene.experts, 'pick_soft_block': _take_nearer})
    success, felt = run(panda, 'pick_soft_block', seed, timeout_s=3.0)
    panda.scene = scene
    assert felt.states[-1].objects['ridged_block'][2] > RIM and not success


def test_expert_puts_the_peg_in_and_its_drop_is_felt(hand) -> None:
    success, felt = run(hand, 'insert_peg', 7)
    assert success
    height = np.array([peg_foot(state.objects['peg'])[2] for state in felt.states])
    push = -np.array(felt.wrenches)[:, 2]
    searching = np.abs(height - PLATE_HEIGHT) < 0.0025
    dropped = (height < PLATE_HEIGHT - 0.006) & (height > PLATE_HEIGHT - 0.015)
    assert push[searching].max() > 2.0 and dropped.any()
    assert push[dropped].max() < 0.5 * push[searching].max()


def test_same_seed_sees_and_feels_the_same_to_the_bit(panda) -> None:
    runs = [run(panda, 'insert_peg', 7, timeout_s=2.5)[1] for _ in range(2)]
    assert runs[0].bits == runs[1].bits and len(set(runs[0].bits)) > 20


@pytest.mark.parametrize('task', ['pick_soft_block', 'insert_peg'])
def test_a_task_begins_feasible_and_undone_and_rules_the_other_out(panda, task) -> None:
    panda.reset(1, task, 1.0)
    assert panda.feasible(task) and not panda.outcome().success
    assert not panda.feasible('pick_soft_block' if task == 'insert_peg' else 'insert_peg')


def first_seed(environment: TableEnvironment, task: str, block: str) -> int:
    """Return the first seed that lays `block` into the slot nearer the robot."""
    stream = zlib.crc32(task.encode())
    return next(seed for seed in range(50) if environment.scene.sample(
        np.random.default_rng([seed, stream])).first == block)


def _take_nearer(state, start):
    return pick_by_feel(state, min(BLOCKS, key=lambda name: start.objects[name][0]))
