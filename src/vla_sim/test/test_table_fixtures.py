"""CALVIN's table: what slides has ends, lamps follow, experts move it all, chains go on."""

from collections.abc import Iterator

import numpy as np
import pytest
from vla_core.chains import chains
from vla_core.control.controller import ArmController
from vla_core.errors import UnknownNameError
from vla_core.rollout import rollout
from vla_core.tasks import SUITES
from vla_sim.catalogue import find_scene, SCENES
from vla_sim.chains import chain_layout
from vla_sim.collect import Continued, DisturbedExpert
from vla_sim.engine import pybullet
from vla_sim.environment import TableEnvironment
from vla_sim.scenes.table_measures import DOOR_TRAVEL, DRAWER_TRAVEL

FIXTURES = (
    'move_slider_left', 'move_slider_right', 'open_drawer', 'close_drawer', 'turn_on_lightbulb',
    'turn_off_lightbulb', 'turn_on_led', 'turn_off_led')
TIMEOUT_S = 12.0


@pytest.fixture(scope='module')
def table() -> Iterator[TableEnvironment]:
    environment = TableEnvironment(scene='table_d')
    yield environment
    environment.close()


@pytest.mark.parametrize('suite', ['bowl', 'table34', 'touch'])
def test_every_task_that_can_be_said_can_be_judged_and_shown(suite: str) -> None:
    scenes = {'bowl': ('bowl',), 'touch': ('touch',)}.get(suite, ('table_a', 'table_d'))
    for scene in map(find_scene, scenes):
        assert scene.tasks.keys() == scene.experts.keys() == SUITES[suite].keys()


def test_an_unknown_scene_and_a_task_of_another_scene_are_refused(table) -> None:
    with pytest.raises(UnknownNameError, match='table_a'):
        find_scene('table_e')
    with pytest.raises(UnknownNameError, match="task of scene table_d 'press_button'"):
        table.reset(0, 'press_button', 1.0)


@pytest.mark.parametrize('task', FIXTURES)
def test_the_expert_moves_the_fixture(table, task: str) -> None:
    result = rollout(table, ArmController(table.spec), DisturbedExpert(table), None, task,
                     seed=1, task=task, timeout_s=TIMEOUT_S)
    assert result.outcome.success and not result.rejections


def test_nothing_slides_beyond_its_ends(table) -> None:
    table.reset(0, '', 1.0)
    stage, client = table.world.stage, table.world.client
    joints = table.spec.joints.home
    for body in (stage.desk, stage.cabinet):
        for push in (50.0, -50.0):
            for _ in range(120):
                pybullet.applyExternalForce(
                    body, 0, (-push, push, 0.0), (0, 0, 0), pybullet.LINK_FRAME,
                    physicsClientId=client)
                table.world.step(joints, np.zeros_like(joints))
            opening = stage.joints()
            assert -1e-6 <= opening['drawer'] <= DRAWER_TRAVEL + 1e-6
            assert -1e-6 <= opening['door'] <= DOOR_TRAVEL + 1e-6


def test_lamps_begin_as_laid_out_and_are_seen(table) -> None:
    rng = np.random.default_rng(0)
    pictures = {}
    for lit in (True, False):
        layout = table.find_task(
            'turn_off_led' if lit else 'turn_on_led').prepare(table.scene.sample(rng), rng)
        table.set_table(layout)
        table.begin('', 0, 1.0)
        assert table.state().joints['led'] == float(lit)
        assert table.state().joints['bulb'] == float(layout.switch)
        pictures[lit] = table.images()['static']
    assert (pictures[True] != pictures[False]).any()


def test_a_held_block_starts_between_the_fingers_and_stays_there(table) -> None:
    table.reset(3, 'place_in_slider', TIMEOUT_S)
    held = [name for name, names in table.state().touching.items() if names == ('robot',)]
    assert len(held) == 1 and table.state().contacts[held[0]] > 2.0


class Lag:
    """A Subscriber that measures how far the tool is from where it was told to be."""

    def __init__(self) -> None:
        self.metres: list[float] = []

    def on_step(self, observation, state, subtask, chunk) -> None:
        self.metres.append(float(np.linalg.norm(state.tool_target[:3] - state.tool_pose[:3])))

    def on_reset(self, observation, state, instruction) -> None: ...

    def on_command(self, command) -> None: ...

    def on_end(self, outcome) -> None: ...


def test_the_expert_does_a_chain_without_a_reset(table) -> None:
    chain = chains(1, seed=0)[0]
    table.set_table(chain_layout(chain, table.scene))
    for part, task in enumerate(chain.tasks):
        lag = Lag()
        result = rollout(
            Continued(table, part), ArmController(table.spec), DisturbedExpert(table), None, task,
            seed=chain.seed, task=task, timeout_s=TIMEOUT_S, subscribers=(lag,))
        assert result.outcome.success, task
        assert np.mean(lag.metres) < 0.003, 'the arm keeps up, however the last task ended'
    assert table.episode_id.endswith('-4')


def test_the_four_tables_look_different_and_stand_differently() -> None:
    pictures, places = set(), set()
    for name in (name for name in SCENES if name.startswith('table_')):
        environment = TableEnvironment(scene=name)
        pictures.add(environment.reset(0, 'open_drawer', 1.0).images['static'].tobytes())
        objects = environment.state().objects
        places.add((*objects['button'][:2], *objects['drawer_handle'][:2]))
        environment.close()
    assert len(pictures) == len(places) == 4
