"""Gamepads, SpaceMouse and the scripted device: whatever speaks sensor_msgs/Joy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from vla_control.teleop.config import TeleopConfig
from vla_control.teleop.signals import Signal, Twist
from vla_core.errors import InvalidDataError

_PRESSED = -0.5  # an axis that is a trigger goes from 1 to -1


@dataclass(frozen=True)
class JoyMap:
    """Which axis and button means what; as the drivers `joy` and `spacenav` number them."""

    axes: tuple[tuple[int, float], ...]  # six: index and sign of x, y, z, roll, pitch, yaw
    deadman: int | None = None  # button to hold for moving; None: letting go is zero deflection
    close: int | None = None
    open: int | None = None
    held: bool = False  # `close` and `open` say so as long as they are down, else when pressed
    buttons: Mapping[int, str] = field(default_factory=dict)  # pressed -> word
    both: str = ''  # word when `close` and `open` go down together
    triggers: Mapping[int, str] = field(default_factory=dict)  # axis pulled -> word
    deadzone: float = 0.1  # deflection that counts as none


GAMEPAD = JoyMap(  # the layout that SDL and xpad give an Xbox controller
    axes=((1, 1.0), (0, 1.0), (4, 1.0), (6, -1.0), (7, 1.0), (3, 1.0)), deadman=4, close=0, open=1,
    buttons=MappingProxyType({
        2: 'failure', 3: 'success', 5: 'hand_back', 6: 'redo', 7: 'start', 8: 'discard',
        9: 'frame', 10: 'mode'}),
    triggers=MappingProxyType({2: 'slower', 5: 'faster'}))
SPACEMOUSE = JoyMap(
    axes=tuple((axis, 1.0) for axis in range(6)), close=0, open=1, both='hand_back', deadzone=0.05)
SCRIPTED = JoyMap(
    axes=tuple((axis, 1.0) for axis in range(6)), deadman=0, close=1, open=2, held=True,
    deadzone=0.0)


class Joystick:
    """Implements Device with the newest Joy message, which must be repeated while nothing moves.

    The driver `joy` does so at 20 Hz (`autorepeat_rate`); a device that says nothing for
    `silence_s` is gone.
    """

    def __init__(self, layout: JoyMap, config: TeleopConfig) -> None:
        self._map, self._config = layout, config
        self._heard_s = -np.inf
        self._axes: tuple[float, ...] = ()
        self._buttons: tuple[int, ...] = ()
        self._words: list[str] = []
        self._gripper: float | None = None

    def on_joy(self, axes: Sequence[float], buttons: Sequence[int], now_s: float) -> None:
        """Take a message; raise InvalidDataError for one of another kind of device."""
        layout = self._map
        needed = 1 + max(axis for axis, _ in layout.axes)
        if len(axes) < needed or not np.isfinite(axes).all():
            raise InvalidDataError(
                f'joy: got {len(axes)} axes {list(axes)}, allowed {needed} or more finite ones')
        wanted = [b for b in (layout.deadman, layout.close, layout.open) if b is not None]
        if len(buttons) <= max(wanted, default=-1):
            raise InvalidDataError(
                f'joy: got {len(buttons)} buttons, allowed {max(wanted) + 1} or more')
        fresh = now_s - self._heard_s > self._config.silence_s
        before = (tuple(axes), tuple(buttons)) if fresh else (self._axes, self._buttons)
        self._axes, self._buttons, self._heard_s = tuple(axes), tuple(buttons), now_s
        self._hear_edges(*before)

    def read(self, now_s: float) -> Signal | None:
        """Return what the newest message says."""
        if now_s - self._heard_s > self._config.silence_s:
            return None
        words, self._words = tuple(self._words), []
        gripper, self._gripper = self._gripper, None
        if not self._held:
            return Signal(None, None, words)
        return Signal(self._motion(), gripper, words)

    @property
    def _held(self) -> bool:
        """Whether the deadman is down, or there is none."""
        return self._map.deadman is None or bool(self._buttons[self._map.deadman])

    def _motion(self) -> Twist | None:
        axes = np.array([sign * self._axes[axis] for axis, sign in self._map.axes])
        axes = np.where(np.abs(axes) > self._map.deadzone, axes, 0.0)
        if self._map.deadman is None and not axes.any():
            return None
        return Twist(np.clip(axes, -1.0, 1.0))

    def _hear_edges(self, axes: tuple[float, ...], buttons: tuple[int, ...]) -> None:
        """Take what went down since the message before."""
        layout = self._map
        pressed = {number for number, (was, now) in enumerate(zip(buttons, self._buttons))
                   if now and (layout.held or not was)}
        if pressed & {layout.close, layout.open} and layout.both and all(
                self._buttons[number] for number in (layout.close, layout.open)):
            self._words.append(layout.both)
        elif layout.close in pressed:
            self._gripper = 0.0
        elif layout.open in pressed:
            self._gripper = 1.0
        self._words += [word for number, word in layout.buttons.items() if number in pressed]
        self._words += [
            word for axis, word in layout.triggers.items() if axis < len(self._axes)
            and self._axes[axis] < _PRESSED <= axes[axis]]
