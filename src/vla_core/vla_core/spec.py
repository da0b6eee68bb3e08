"""One YAML a robot: joints, limits, frames, cameras, controllers. Everything reads it here."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType

import numpy as np
from vla_core.errors import InvalidDataError, UnknownNameError
import yaml

ALIGNMENTS = ('hold', 'nearest', 'interpolate', 'drop')


@dataclass(frozen=True)
class JointLimits:
    """The arm's joints in the order of every (J,) array of the suite."""

    names: tuple[str, ...]
    lower: np.ndarray  # (J,) float64 [rad]
    upper: np.ndarray  # (J,) float64 [rad]
    velocity: np.ndarray  # (J,) float64 [rad/s]
    acceleration: np.ndarray  # (J,) float64 [rad/s^2]
    jerk: np.ndarray  # (J,) float64 [rad/s^3]
    home: np.ndarray  # (J,) float64 [rad]

    def __post_init__(self) -> None:
        for name in ('lower', 'upper', 'velocity', 'acceleration', 'jerk', 'home'):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            if value.shape != (len(self.names),) or not np.isfinite(value).all():
                raise InvalidDataError(
                    f'joints.{name}: got {value.tolist()}, '
                    f'allowed {len(self.names)} finite numbers, one a joint')
            object.__setattr__(self, name, value)
        if not (self.lower < self.upper).all():
            raise InvalidDataError('joints.lower must be below joints.upper for every joint')


@dataclass(frozen=True)
class GripperSpec:
    """The gripper's joints, travel [m] and force [N]."""

    joints: tuple[str, ...]
    open_m: float
    finger_travel_m: float
    force_n: float
    action: str


@dataclass(frozen=True)
class ControllerSpec:
    """The ros2_control controller that takes joint trajectories."""

    name: str
    rate_hz: int

    @property
    def period_s(self) -> float:
        """Control period [s]."""
        return 1.0 / self.rate_hz


@dataclass(frozen=True)
class PolicySpec:
    """What the guard allows a policy, and how often it acts."""

    step_hz: int
    tool_speed_max: float  # [m/s]
    tool_turn_max: float  # [rad/s]
    workspace_lower: np.ndarray  # (3,) float64 [m]
    workspace_upper: np.ndarray  # (3,) float64 [m]
    max_observation_age_s: float
    max_joint_state_age_s: float
    max_future_s: float

    @property
    def step_s(self) -> float:
        """Policy step [s]."""
        return 1.0 / self.step_hz


@dataclass(frozen=True)
class CameraSpec:
    """One camera's image size [px], rate and optical frame (REP-103)."""

    width: int
    height: int
    rate_hz: int
    frame: str


@dataclass(frozen=True)
class StreamSpec:
    """How a stream is brought to the instant of an observation."""

    align: str  # one of ALIGNMENTS
    max_age_s: float

    def __post_init__(self) -> None:
        if self.align not in ALIGNMENTS:
            raise UnknownNameError('alignment', self.align, ALIGNMENTS)


@dataclass(frozen=True)
class RobotSpec:
    """Everything the suite knows about one robot."""

    name: str
    urdf: Path
    base_frame: str
    tool_frame: str
    world_frame: str
    joints: JointLimits
    gripper: GripperSpec
    controller: ControllerSpec
    policy: PolicySpec
    cameras: Mapping[str, CameraSpec]
    streams: Mapping[str, StreamSpec]
    tactile: Mapping[str, CameraSpec]  # a gel picture a finger; empty: bare fingers

    @property
    def ticks_per_step(self) -> int:
        """Control periods in one policy step."""
        return self.controller.rate_hz // self.policy.step_hz


def robot_names() -> list[str]:
    """Return the names of the robots the suite ships."""
    return sorted(path.stem for path in _folder().glob('*.yaml'))


def load_robot(name: str) -> RobotSpec:
    """Return the spec of a shipped robot, or of the YAML file at the path `name`."""
    path = Path(name)
    if path.suffix not in ('.yaml', '.yml'):
        if name not in robot_names():
            raise UnknownNameError('robot', name, robot_names())
        path = _folder() / f'{name}.yaml'
    try:
        return _parse(yaml.safe_load(path.read_text()), path)
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise InvalidDataError(f'robot spec {path}: {type(error).__name__}: {error}') from error


def _folder() -> Path:
    return Path(str(resources.files('vla_core'))) / 'config' / 'robots'


def _parse(data: dict, path: Path) -> RobotSpec:
    policy = dict(data['policy'])
    for bound in ('workspace_lower', 'workspace_upper'):
        policy[bound] = np.asarray(policy[bound], dtype=np.float64)
    spec = RobotSpec(
        name=data['name'],
        urdf=path.parent / data['urdf'],
        base_frame=data['base_frame'],
        tool_frame=data['tool_frame'],
        world_frame=data['world_frame'],
        joints=JointLimits(**{**data['joints'], 'names': tuple(data['joints']['names'])}),
        gripper=GripperSpec(**{**data['gripper'], 'joints': tuple(data['gripper']['joints'])}),
        controller=ControllerSpec(**data['controller']),
        policy=PolicySpec(**policy),
        cameras=_frozen(CameraSpec, data['cameras']),
        streams=_frozen(StreamSpec, data['streams']),
        tactile=_frozen(CameraSpec, data.get('tactile', {})),
    )
    if spec.controller.rate_hz % spec.policy.step_hz:
        raise InvalidDataError(
            f'{path}: controller.rate_hz {spec.controller.rate_hz} '
            f'must be a multiple of policy.step_hz {spec.policy.step_hz}')
    return spec


def _frozen(kind: type, entries: dict) -> Mapping:
    return MappingProxyType({name: kind(**fields) for name, fields in entries.items()})
