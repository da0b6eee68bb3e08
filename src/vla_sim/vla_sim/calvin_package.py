"""What CALVIN's own packages say: its simulator, its tasks' predicates, its exam.

`calvin_env` and `calvin_agent` (mees/calvin, 2022-12 and later) are imported here, inside
functions, and nowhere else; whoever has not installed them notices only by asking for them.
They bring an old gym, hydra and torch, so they are not among the requirements.
"""

from collections.abc import Callable, Mapping
from functools import cache
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from vla_core.chains import Chain, CHAIN_COUNT, CHAINS_SEED, TableState
from vla_core.errors import InvalidDataError, VlaError
import yaml

_INSTALL = ('git clone --recurse-submodules https://github.com/mees/calvin && cd calvin && '
            'sh install.sh')
_CONFIG = '.hydra/merged_config.yaml'
_TASKS = 'callbacks/rollout/tasks/new_playtable_tasks.yaml'
_SENTENCES = 'annotations/new_playtable_validation.yaml'
_CAMERAS = {'rgb_obs': ['rgb_static', 'rgb_gripper'], 'depth_obs': []}


class PlayTable(Protocol):
    """The part of calvin_env's PlayTableSimEnv that is used; positions are in the world."""

    p: Any  # the physics client's functions
    cid: int
    robot: Any  # robot_uid, arm_joint_ids
    cameras: list  # those that every observation renders

    def reset(self, robot_obs: np.ndarray, scene_obs: np.ndarray) -> dict[str, Any]:
        """Put robot (15,) and scene (24,) there and return the observation."""

    def step(self, action: tuple[np.ndarray, np.ndarray, int]) -> tuple[dict, int, bool, dict]:
        """Go 1/30 s towards an absolute tcp position, quaternion xyzw and gripper -1/1."""

    def get_camera_obs(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return the pictures (H, W, 3) uint8 and depths of `cameras`."""

    def get_info(self) -> dict[str, Any]:
        """Return what the predicates look at."""

    def close(self) -> None:
        """Close the physics client."""


Judge = Callable[[dict, dict, set[str]], set[str]]  # (start, now, tasks) -> the tasks done


def open_simulator(dataset: Path) -> PlayTable:
    """Return CALVIN's simulator as `dataset`/validation configures it, with its two cameras.

    Raises VlaError where calvin_env is not installed, InvalidDataError for another folder.
    """
    get_env = _load('calvin_env.envs.play_table_env').get_env
    folder = Path(dataset) / 'validation'
    if not (folder / _CONFIG).is_file():
        raise InvalidDataError(
            f'{folder}: got no {_CONFIG}, allowed the root of a data set of CALVIN '
            '(its debug data set is enough)')
    try:
        return get_env(folder, obs_space=_CAMERAS, show_gui=False)
    except SystemExit as error:  # its way to say that the GPU's renderer did not start
        raise VlaError(
            f'suite calvin: got no EGL renderer, allowed a GPU that has one, or "use_egl: false" '
            f'in {folder / _CONFIG} (the same, hundreds of times slower)') from error


def judge() -> Judge:
    """Return the function that says which tasks are done between two infos."""
    tasks = _load('calvin_env.envs.tasks').Tasks(_settings(_TASKS)['tasks'])
    return tasks.get_task_info_for_set


@cache
def sentences() -> Mapping[str, str]:
    """Return the one sentence that the exam asks each task with."""
    return {task: str(told[0]) for task, told in _settings(_SENTENCES).items()}


@cache
def exam_chains() -> tuple[Chain, ...]:
    """Return the 1000 chains of CALVIN's exam; its own code draws them, for a minute or more."""
    drawn = _load('calvin_agent.evaluation.multistep_sequences').get_sequences(CHAIN_COUNT)
    return tuple(
        Chain(index, CHAINS_SEED + index, _table_state(start), tuple(map(str, tasks)))
        for index, (start, tasks) in enumerate(drawn))


def place(state: TableState) -> tuple[np.ndarray, np.ndarray]:
    """Return robot_obs (15,) and scene_obs (24,) of a chain's start.

    CALVIN turns the blocks by a number that it draws from how the condition prints, so the
    dict given to it has the order and the types of its own.
    """
    condition = {
        'led': int(state.led), 'lightbulb': int(state.lightbulb), 'slider': state.slider,
        'drawer': state.drawer, **state.blocks, 'grasped': 0}
    utils = _load('calvin_agent.evaluation.utils')
    return utils.get_env_state_for_initial_condition(condition)


def _table_state(start: Mapping[str, Any]) -> TableState:
    fields = {name: value for name, value in start.items() if name != 'grasped'}
    return TableState(**{
        **fields, 'led': bool(start['led']), 'lightbulb': bool(start['lightbulb'])})


def _settings(name: str) -> dict:
    """Return a file of the configuration that lies beside the installed calvin_agent."""
    root = Path(_load('calvin_agent').__file__).parents[1] / 'conf'
    try:
        return yaml.safe_load((root / name).read_text())
    except (OSError, yaml.YAMLError) as error:
        raise InvalidDataError(
            f'{root / name}: cannot be read ({type(error).__name__}), allowed calvin_models '
            'installed from its source (pip install -e)') from error


def _load(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise VlaError(
            f'suite calvin: got no {module} ({error.name or error}); install CALVIN '
            f'into this Python: {_INSTALL}') from error
