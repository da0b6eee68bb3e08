"""Randomised tables: within the ranges, repeatable, and without a trace afterwards."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from vla_sim.engine import pybullet
from vla_sim.environment import TableEnvironment
from vla_sim.randomisation import Randomisation, SURFACES
from vla_sim.textures import picture, SIZE
from vla_sim.variation import PLAIN, Variation

TASKS = {'bowl': 'open_drawer', 'table_a': 'open_drawer', 'touch': 'pick_soft_block'}
BOARD = next(  # the seed of a checker board
    seed for seed in range(100)
    if len(np.unique(picture(seed).reshape(-1, 3), axis=0)) == 2)


@pytest.fixture(scope='module', params=TASKS)
def table(request) -> Iterator[TableEnvironment]:
    made = TableEnvironment(scene=request.param)
    yield made
    made.close()


def images(table: TableEnvironment, variation: Variation) -> dict[str, bytes]:
    table.set_variation(variation)
    seen = table.reset(50001, TASKS[table.scene.name], 12.0).images
    return {name: seen[name].tobytes() for name in ('static', 'wrist')}


def test_every_surface_can_wear_a_picture(table) -> None:
    plain = images(table, PLAIN)
    for surface in table.world.stage.painted:
        assert surface in SURFACES
        assert images(table, Variation(textures={surface: BOARD})) != plain, surface


def test_a_randomised_table_leaves_no_trace(table) -> None:
    plain, drawn = images(table, PLAIN), Randomisation().draw(1)
    first = images(table, drawn)
    images(table, Randomisation().draw(2))
    assert images(table, drawn) == first != plain
    assert images(table, PLAIN) == plain


def test_masses_and_friction_reach_the_objects(table) -> None:
    measured = []
    for variation in (PLAIN, Variation(mass=1.3, friction=0.9)):
        images(table, variation)
        world = table.world
        measured.append(np.array([
            pybullet.getDynamicsInfo(body, -1, physicsClientId=world.client)[:2]
            for body in world.stage.bodies.values()]))
    np.testing.assert_allclose(measured[1] / measured[0], np.tile([1.3, 0.9], (3, 1)))


def test_draws_are_functions_of_the_seed_within_the_ranges() -> None:
    ranges = Randomisation()
    drawn = [ranges.draw(seed) for seed in range(200)]
    assert drawn[:20] == [Randomisation().draw(seed) for seed in range(20)]
    assert drawn[0] != drawn[1]
    for name in ('mass', 'friction'):
        low, high = getattr(ranges, name)
        values = [getattr(one, name) for one in drawn]
        middle = (low + high) / 2
        assert low <= min(values) < middle < max(values) <= high
    assert {one.delay_steps for one in drawn} == {0, 1}
    worn = sum(len(one.textures) for one in drawn) / len(drawn) / len(SURFACES)
    assert abs(worn - ranges.textured) < 0.05
    assert not any(one.outside or one.held_out or one.distractors for one in drawn)


def test_nothing_drawn_is_nothing_changed() -> None:
    still = dict.fromkeys(('eye_m', 'target_m', 'mount_m', 'mount_rad'), (0.0, 0.0))
    same = dict.fromkeys(('gain', 'hue', 'mass', 'friction', 'lamp'), (1.0, 1.0))
    drawn = Randomisation(textured=0.0, delay_steps=(0, 0), **still, **same).draw(3)
    unlit = replace(drawn, light=PLAIN.light, tints={})
    assert unlit == PLAIN
    assert set(drawn.tints.values()) == {(1.0, 1.0, 1.0)}


def test_pictures_are_repeatable_and_of_every_kind() -> None:
    shades = {len(np.unique(picture(seed).reshape(-1, 3), axis=0)) for seed in range(30)}
    assert {1, 2} < shades  # plain and checker; wood and noise have many more
    for seed in range(5):
        assert picture(seed).shape == (SIZE, SIZE, 3)
        assert picture(seed).tobytes() == picture(seed).tobytes()
        assert picture(seed).tobytes() != picture(seed + 5).tobytes()
