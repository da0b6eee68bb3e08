"""What a device says at one instant, whatever the device is."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

# Words of a device or a person beside motion: about the arm, and about the recording.
STEERING = ('take', 'hand_back', 'renew', 'frame', 'mode', 'faster', 'slower')
OPERATING = ('start', 'stop', 'keep', 'success', 'failure', 'redo', 'discard', 'quit')


@dataclass(frozen=True)
class Twist:
    """Deflection of six axes: translation and rotation vector, in the frame of motion."""

    axes: np.ndarray  # (6,) float64 -1..1; in joint mode the first J joints


@dataclass(frozen=True)
class Jog:
    """Deflection of single joints, in any mode."""

    joints: np.ndarray  # (J,) float64 -1..1


@dataclass(frozen=True)
class Displacement:
    """How far a hand-held pose has moved since it was taken hold of."""

    hold: int  # counts the holds: another one begins where the tool is then
    delta: np.ndarray  # (6,) float64 [m], rotation vector [rad], in base axes


@dataclass(frozen=True)
class JointGoal:
    """Where the joints of a leader arm are."""

    joints: np.ndarray  # (J,) float64 [rad]


Motion = Twist | Jog | Displacement | JointGoal


@dataclass(frozen=True)
class Signal:
    """One reading of a device."""

    motion: Motion | None  # None: nothing is wanted to move, as with the deadman released
    gripper: float | None = None  # a new goal 0 closed or 1 open; None: as it is
    words: tuple[str, ...] = ()  # of STEERING and OPERATING, since the last reading


class Device(Protocol):
    """Turns messages of one device into signals."""

    def read(self, now_s: float) -> Signal | None:
        """Return what it says at a steady time [s]; None while it says nothing: it is gone."""
