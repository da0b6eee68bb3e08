"""The values that cross every boundary of the suite; the ROS messages mirror them one to one.

Stamps are integer nanoseconds of the (simulated or system) ROS clock. Lengths are metres,
angles radians. Quaternions are xyzw. A pose is (7,) float64: x y z [m], qx qy qz qw.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

import numpy as np

ACTION_DIM = 7  # tool translation xyz [m], rotation vector xyz [rad], gripper 0 closed .. 1 open
TELEOP = 'teleop'  # a person's chunks have the source 'teleop' or 'teleop/<device>'


class Representation(str, Enum):
    """How the rows of an ActionChunk are to be read."""

    EE_DELTA = 'ee_delta'  # relative to the previous *target* tool pose, in the base frame
    EE_ABSOLUTE = 'ee_absolute'  # tool pose in the base frame: xyz, rotation vector
    JOINT_DELTA = 'joint_delta'  # (J + 1): relative to the previous target joints, gripper
    JOINT_ABSOLUTE = 'joint_absolute'  # (J + 1): joint targets, gripper


class Mode(IntEnum):
    """What the arm is allowed to do."""

    HOLD = 0
    POLICY = 1
    TELEOP = 2
    FAULT = 3
    ESTOP = 4


def is_teleop(source: str) -> bool:
    """Say whether chunks of a source are a person's."""
    return source.partition('/')[0] == TELEOP


@dataclass(frozen=True)
class Observation:
    """Everything a policy may see, at one instant."""

    stamp_ns: int
    episode_id: str
    images: Mapping[str, np.ndarray]  # camera name -> (H, W, 3) uint8 RGB
    joint_position: np.ndarray  # (J,) float64 [rad]
    joint_velocity: np.ndarray  # (J,) float64 [rad/s]
    tool_pose: np.ndarray  # (7,) float64 base -> tool [m], quaternion xyzw
    gripper: float  # 0 closed .. 1 open
    depth: Mapping[str, np.ndarray] = field(default_factory=dict)  # (H, W) float32 [m]
    tactile: Mapping[str, np.ndarray] = field(default_factory=dict)  # (H, W, 3) uint8
    wrench: np.ndarray | None = None  # (6,) float64 force [N], torque [Nm] at the tool
    age_s: Mapping[str, float] = field(default_factory=dict)  # stream -> age at stamp [s]


@dataclass(frozen=True)
class ActionChunk:
    """T future actions that answer one observation; row k is due at stamp + (k + 1) step_s."""

    stamp_ns: int  # stamp of the observation it answers
    sequence: int  # grows by one with every chunk of a source
    episode_id: str
    subtask_id: str
    source: str  # policy name, 'expert' or 'teleop/<device>'
    representation: Representation
    step_s: float
    values: np.ndarray  # (T, A) float32
    progress: float  # 0..1 of the current subtask
    inference_s: float = 0.0


@dataclass(frozen=True)
class Subtask:
    """One short instruction the planner gives the policy."""

    subtask_id: str
    episode_id: str
    instruction: str  # the whole instruction of the user
    text: str  # what the policy is told
    reasoning: str = ''
    index: int = 0
    count: int = 1
    ttl_s: float = 20.0  # without a renewed subtask within it the arm comes to rest
    stamp_ns: int = 0


@dataclass(frozen=True)
class Done:
    """The planner's end of an instruction."""

    success: bool
    message: str


@dataclass(frozen=True)
class ControlStatus:
    """What the arm is allowed to do, and why."""

    stamp_ns: int
    mode: Mode
    reason: str
    source: str


@dataclass(frozen=True)
class JointCommand:
    """One set-point for the arm's controllers, valid at its stamp."""

    stamp_ns: int
    position: np.ndarray  # (J,) float64 [rad]
    velocity: np.ndarray  # (J,) float64 [rad/s]
    gripper: float | None  # a new gripper goal 0 closed .. 1 open, None while unchanged
    tool_target: np.ndarray  # (7,) float64 the tool pose this set-point stands for


@dataclass(frozen=True)
class Tick:
    """One lockstep control step of the simulation."""

    stamp_ns: int
    tick: int  # control steps since the reset
    episode_id: str
    observe: bool  # images of this instant are published: a policy step
    messages: int = 0  # sensor messages sent before it, by whoever replays; 0: simulated streams


@dataclass(frozen=True)
class SimState:
    """Privileged simulation state, for experts and predicates; never part of an Observation."""

    stamp_ns: int
    episode_id: str
    task: str
    objects: Mapping[str, np.ndarray]  # name -> (7,) pose in the base frame
    joints: Mapping[str, float]  # 'drawer', 'door' [m]; 'button', 'switch' 0..1; lamps 0, 1
    tool_pose: np.ndarray  # (7,) measured
    tool_target: np.ndarray  # (7,) what the controller is being asked for
    gripper: float  # measured opening 0..1
    gripper_target: float  # commanded opening 0..1
    contacts: Mapping[str, float] = field(default_factory=dict)  # object -> finger force [N]
    speeds: Mapping[str, float] = field(default_factory=dict)  # object -> [m/s]
    touching: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # object -> names


@dataclass(frozen=True)
class TaskOutcome:
    """The simulator's own verdict, which is what tables report."""

    stamp_ns: int
    episode_id: str
    task: str
    success: bool
    done: bool  # success or out of time: the episode is over
    reason: str
    steps: int  # policy steps since the reset
