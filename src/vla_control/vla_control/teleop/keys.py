"""The keyboard of a plain terminal, also over SSH: as a device, and for the operator's words.

A terminal tells of keys that go down and of none that go up. So each press moves the arm for
`key_s` and no longer; a key that is held repeats.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from vla_control.teleop.config import TeleopConfig
from vla_control.teleop.signals import Jog, Motion, Signal, Twist

_ALIVE_S = 0.5  # the terminal says at 10 Hz that it is there
AXES: Mapping[str, tuple[int, float]] = MappingProxyType({
    'w': (0, 1.0), 's': (0, -1.0), 'a': (1, 1.0), 'd': (1, -1.0), 'r': (2, 1.0), 'f': (2, -1.0),
    'u': (3, 1.0), 'o': (3, -1.0), 'i': (4, 1.0), 'k': (4, -1.0), 'j': (5, 1.0), 'l': (5, -1.0)})
WORDS: Mapping[str, str] = MappingProxyType({  # with any device
    't': 'take', 'p': 'hand_back', 'b': 'frame', 'm': 'mode', '+': 'faster', '=': 'faster',
    '-': 'slower', 'enter': 'start', 'y': 'success', 'n': 'failure', 'e': 'stop', 'v': 'keep',
    'backspace': 'redo', 'x': 'discard', 'q': 'quit'})
GRIPPER: Mapping[str, float] = MappingProxyType({'g': 0.0, 'h': 1.0})
MOVING = """\
move     w s  x     a d  y     r f  z     u o  roll   i k  pitch   j l  yaw
joints   1..7 one joint, z the other way round    gripper  g close   h open    space halt"""
STEERING = """\
arm      t take it   p hand it back to the policy   b base or tool frame   m tool or joints
speed    + faster    - slower"""
RECORDING = """\
record   Enter start, and stop   y success   n failure   v keep as it is judged
         Backspace redo   x discard   q quit"""


class Keyboard:
    """Implements Device with the names of keys: characters, 'space', 'enter', 'backspace'."""

    def __init__(self, joints: int, config: TeleopConfig) -> None:
        """Move an arm of so many joints."""
        self._joints, self._config = joints, config
        self._digits = {str(number + 1): number for number in range(min(joints, 9))}
        self._alive_s = -np.inf
        self._pressed: dict[str, float] = {}  # moving key -> when it was pressed [s]
        self._gripper: float | None = None
        self._way = 1.0  # of jogged joints

    def on_key(self, key: str, now_s: float) -> None:
        """Take a key; '' only says that the terminal is still there."""
        self._alive_s = now_s
        if key in AXES or key in self._digits:
            self._pressed[key] = now_s
        elif key in GRIPPER:
            self._gripper = GRIPPER[key]
        elif key == 'space':
            self._pressed.clear()
        elif key == 'z':
            self._way = -self._way

    def read(self, now_s: float) -> Signal | None:
        """Return what the keys say."""
        if now_s - self._alive_s > _ALIVE_S:
            self._pressed.clear()
            return None
        gripper, self._gripper = self._gripper, None
        return Signal(self._motion(now_s), gripper)

    def _motion(self, now_s: float) -> Motion | None:
        held = {key for key, since_s in self._pressed.items()
                if now_s - since_s <= self._config.key_s}
        jogged = [self._digits[key] for key in held & self._digits.keys()]
        if jogged:
            joints = np.zeros(self._joints)
            joints[jogged] = self._way
            return Jog(joints)
        if not held:
            return None
        axes = np.zeros(6)
        for key in held:
            axis, sign = AXES[key]
            axes[axis] += sign
        return Twist(np.clip(axes, -1.0, 1.0))
