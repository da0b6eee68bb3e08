"""What the control tests share: stamps as the simulation makes them, chunks, a played log."""

from dataclasses import dataclass

import numpy as np
from vla_core.control.controller import ArmController
from vla_core.spec import load_robot
from vla_core.types import ActionChunk, JointCommand, Representation, Subtask

SPEC = load_robot('panda')
HOME = SPEC.joints.home
STEP_S = SPEC.policy.step_s
TICKS = SPEC.ticks_per_step
SUBTASK = Subtask('s', 'e', 'do it', 'do it')


def stamp(tick: int, offset: int = 0) -> int:
    """Return the stamp [ns] of a control tick, floored as the simulation floors it."""
    return (offset + 2 * tick) * 1_000_000_000 // 240


def chunk(values: np.ndarray, tick: int = 0, sequence: int = 0, **fields: object) -> ActionChunk:
    """Return a chunk of episode 'e' that answers the observation of `tick`."""
    known = {
        'stamp_ns': stamp(tick), 'sequence': sequence, 'episode_id': 'e',
        'subtask_id': 's', 'source': 'policy',
        'representation': Representation.EE_DELTA, 'step_s': STEP_S,
        'values': np.asarray(values, dtype=np.float32), 'progress': 0.0}
    return ActionChunk(**{**known, **fields})


def deltas(velocity: tuple[float, ...], rows: int = 12, gripper: float = 1.0) -> np.ndarray:
    """Return (T, 7) rows of one tool velocity, xyz [m/s] and turn [rad/s]."""
    twist = np.zeros(6)
    twist[:len(velocity)] = velocity
    return np.tile([*(twist * STEP_S), gripper], (rows, 1))


@dataclass
class Bench:
    """An arm that does what it is told, and the log of what that was."""

    controller: ArmController
    offset: int = 0
    tick: int = 0

    def __post_init__(self) -> None:
        self.log: list[JointCommand] = []
        self.controller.reset(HOME, self.now_ns, self.steady_s)
        self.controller.on_subtask(SUBTASK, self.steady_s)

    @property
    def now_ns(self) -> int:
        """The clock."""
        return stamp(self.tick, self.offset)

    @property
    def steady_s(self) -> float:
        """The steady clock."""
        return self.tick / SPEC.controller.rate_hz

    def send(self, values: np.ndarray, late_ticks: int = 0, **fields: object) -> object:
        """Send a chunk now that answers the observation of `late_ticks` ago."""
        made = stamp(self.tick - late_ticks, self.offset)
        sequence = fields.pop('sequence', self.tick)
        return self.controller.on_chunk(
            chunk(values, sequence=sequence, stamp_ns=made, **fields), self.now_ns, self.steady_s)

    def play(self, ticks: int, joint_states: bool = True) -> JointCommand:
        """Run control periods; return the last command."""
        for _ in range(ticks):
            command = self.controller.tick(self.now_ns, self.steady_s)
            self.log.append(command)
            self.tick += 1
            if joint_states:
                self.controller.on_joint_state(
                    command.position, command.velocity, self.now_ns, self.steady_s)
        return self.log[-1]

    @property
    def tool(self) -> np.ndarray:
        """The commanded tool pose (7,)."""
        return self.controller.kinematics.forward(self.log[-1].position)


def bench(offset: int = 0) -> Bench:
    """Return a bench with a fresh controller at home."""
    return Bench(ArmController(SPEC), offset)


def assert_within_limits(positions: np.ndarray, velocities: np.ndarray) -> None:
    """Check every sample and finite difference of (N, J) positions and velocities."""
    limits, rate = SPEC.joints, SPEC.controller.rate_hz
    room = 1.0 + 1e-9
    assert (positions >= limits.lower).all() and (positions <= limits.upper).all()
    assert (np.abs(velocities) <= limits.velocity * room).all()
    assert (np.abs(np.diff(positions, axis=0)) * rate <= limits.velocity * room).all()
    assert (np.abs(np.diff(velocities, axis=0)) * rate <= limits.acceleration * room).all()
