"""Perturbed exams: each perturbation changes what it says, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from vla_core.control.controller import ArmController
from vla_core.errors import UnknownNameError
from vla_core.rollout import rollout
from vla_sim.collect import DisturbedExpert
from vla_sim.engine import pybullet
from vla_sim.environment import TableEnvironment
from vla_sim.randomisation import Randomisation
from vla_sim.scenes.table_designs import DESIGNS
from vla_sim.variation import (
    Distractor,
    FREE_PLACES,
    FURNITURE,
    PERTURBATIONS,
    perturbed,
    PLAIN,
    Variation,
)

SEED = 60001
TASKS = {'bowl': 'put_red_block_in_bowl', 'table_d': 'lift_red_block_table',
         'touch': 'pick_soft_block'}
SEEN = {'poses', 'light', 'camera', 'distractors'}  # what images show


@pytest.fixture(scope='module', params=TASKS)
def table(request) -> Iterator[TableEnvironment]:
    made = TableEnvironment(scene=request.param)
    yield made
    made.close()


def reset(table: TableEnvironment, variation: Variation, seed: int = SEED):
    """Return images, state and sentence of the scene's task under a variation."""
    table.set_variation(variation)
    observation = table.reset(seed, TASKS[table.scene.name], 12.0)
    return observation.images, table.state(), table.instruction


def differing(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> set[str]:
    """Return the names under which two mappings hold other bits."""
    return {name for name in a if a[name].tobytes() != b[name].tobytes()}


@pytest.mark.parametrize('name', PERTURBATIONS)
def test_a_perturbation_changes_what_it_says_and_nothing_else(table, name) -> None:
    images, state, sentence = reset(table, PLAIN)
    other_images, other, other_sentence = reset(table, perturbed((name,), SEED))
    blocks = set(table.world.stage.bodies)
    moved = differing(state.objects, other.objects) & blocks
    assert bool(moved) == (name == 'poses')
    assert state.joints == other.joints
    assert state.tool_pose.tobytes() == other.tool_pose.tobytes()
    assert ('static' in differing(images, other_images)) == (name in SEEN)
    assert not name == 'camera' or 'wrist' in differing(images, other_images)
    assert (sentence != other_sentence) == (name == 'paraphrase')
    assert (table.variation.delay_steps in (1, 2, 3)) == (name == 'delay')


class Motion:
    """A Subscriber that keeps every state and set-point."""

    def __init__(self) -> None:
        self.bytes: list[bytes] = []

    def on_reset(self, observation, state, instruction) -> None:
        pass

    def on_step(self, observation, state, subtask, chunk) -> None:
        self.bytes += [pose.tobytes() for pose in (*state.objects.values(), state.tool_pose)]

    def on_command(self, command) -> None:
        self.bytes.append(command.position.tobytes())

    def on_end(self, outcome) -> None:
        pass


def motion(table: TableEnvironment, variation: Variation) -> list[bytes]:
    table.set_variation(variation)
    kept = Motion()
    rollout(table, ArmController(table.spec), DisturbedExpert(table), None, '', seed=SEED,
            task=TASKS[table.scene.name], timeout_s=0.8, subscribers=(kept,),
            action_delay_steps=variation.delay_steps)
    return kept.bytes


def test_what_is_only_seen_or_said_leaves_the_motion_bit_for_bit(table) -> None:
    plain = motion(table, PLAIN)
    assert motion(table, perturbed(('light', 'camera', 'paraphrase'), SEED)) == plain
    assert motion(table, perturbed(('delay',), SEED)) != plain


def test_distractors_stand_free_of_every_layout(table) -> None:
    largest = tuple(
        Distractor((0.028, 0.028, 0.030), (0.0, 1.0, 0.0), place, 0.25 * np.pi)
        for place in range(FREE_PLACES))
    for seed in range(3):
        for outside in (False, True):
            reset(table, Variation(distractors=largest, outside=outside), seed)
            for body in table.world.clutter:
                assert touched(table, body) <= {'table'}, (seed, outside)
                assert pybullet.getDynamicsInfo(
                    body, -1, physicsClientId=table.world.client)[0] > 0.0  # not a ghost


def touched(table: TableEnvironment, body: int) -> set[str]:
    """Return what is within 5 mm of a body."""
    client, names = table.world.client, {(table.world.arm.body, -1): 'robot'}
    names |= table.world.stage.surfaces
    others = set(range(pybullet.getNumBodies(physicsClientId=client))) - {body}
    near = [point for other in others for point in pybullet.getClosestPoints(
        body, other, 0.005, physicsClientId=client)]
    return {names.get((point[2], point[4]), 'something') for point in near}


@pytest.mark.parametrize('scene', ['bowl', 'table_a', 'table_d'])
def test_outside_poses_are_none_of_training_and_within_reach(scene) -> None:
    table = TableEnvironment(scene=scene)
    inside, outside = (
        np.array([pose for seed in range(60) for pose in table.scene.sample(
            np.random.default_rng(seed), outside=beyond).blocks.values()])
        for beyond in (False, True))
    # Whatever training draws, its yaw is nearer to straight than that of any perturbed block.
    on_table = outside[:, 0] < 0.65
    assert np.abs(outside[on_table, 3]).min() > np.abs(inside[:, 3]).max()
    for pose in outside[:12]:
        table._reach(np.array([*pose[:2], pose[2] + 0.02, 1.0, 0.0, 0.0, 0.0]))
    table.close()


def test_perturbed_values_lie_beyond_what_training_draws() -> None:
    ranges = Randomisation()
    most = {name: np.sqrt(3) * getattr(ranges, name)[1]
            for name in ('eye_m', 'target_m', 'mount_m', 'mount_rad')}
    tinted = (ranges.gain[0] * ranges.hue[0], ranges.gain[1] * ranges.hue[1])
    for seed in range(50):
        drawn = perturbed(PERTURBATIONS, seed)
        shifts = np.linalg.norm(
            np.array([drawn.static_shift, drawn.wrist_shift]).reshape(4, 3), axis=1)
        assert (shifts > [most[name] for name in most]).all()
        assert all(not tinted[0] <= f <= tinted[1] for tint in drawn.tints.values() for f in tint)
        assert not ranges.ambient[0] <= drawn.light.ambient <= ranges.ambient[1]
        assert not ranges.diffuse[0] <= drawn.light.diffuse <= ranges.diffuse[1]
        assert drawn.light.direction[2] < np.sin(np.radians(ranges.elevation_deg[0]))
        assert min(drawn.light.colour) < ranges.lamp[0]


def test_all_counts_and_delays_are_drawn() -> None:
    drawn = [perturbed(('distractors', 'delay'), seed) for seed in range(60)]
    assert {len(one.distractors) for one in drawn} == {1, 2, 3}
    assert {one.delay_steps for one in drawn} == {1, 2, 3}
    for one in drawn:
        assert len({box.place for box in one.distractors}) == len(one.distractors)


def test_perturbations_combine_and_do_not_disturb_each_other() -> None:
    alone = [perturbed((name,), SEED) for name in PERTURBATIONS]
    union = PLAIN
    for one in alone:
        changed = {name: value for name, value in vars(one).items()
                   if value != getattr(PLAIN, name)}
        union = replace(union, **changed)
    assert perturbed(PERTURBATIONS, SEED) == union


def test_light_recolours_furniture_but_no_block_and_no_lamp() -> None:
    kept = {'red_block', 'blue_block', 'pink_block', 'led_on', 'led_off', 'bulb_on', 'bulb_off'}
    for design in DESIGNS:
        assert set(design.palette) - kept <= set(FURNITURE)
    assert not kept & set(FURNITURE)


def test_unknown_perturbation_names_the_allowed() -> None:
    with pytest.raises(UnknownNameError, match='distractors'):
        perturbed(('earthquake',), 0)
