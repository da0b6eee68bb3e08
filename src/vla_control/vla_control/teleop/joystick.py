"""A gamepad at /dev/input/js*, read without a driver: the Linux joystick interface.

Eight bytes an event: time [ms], value, type, number (linux/joystick.h). Axes come out as the ROS
driver `joy` has them: 1 is left or up, -1 is right or down.
"""

from dataclasses import dataclass, field
import os
from pathlib import Path
import struct

from vla_core.errors import InvalidDataError

_EVENT = struct.Struct('<IhBB')
_BUTTON, _AXIS, _INITIAL = 0x01, 0x02, 0x80
_FULL = 32767.0
PLACE = Path('/dev/input')


@dataclass
class JoystickState:
    """Axes -1..1 and buttons 0 or 1 as the events so far leave them."""

    axes: list[float] = field(default_factory=list)
    buttons: list[int] = field(default_factory=list)

    def take(self, data: bytes) -> None:
        """Take whole events; an unknown kind is passed over."""
        for _, value, kind, number in _EVENT.iter_unpack(data):
            kind &= ~_INITIAL
            if kind == _AXIS:
                _grown(self.axes, number, 0.0)[number] = -value / _FULL
            elif kind == _BUTTON:
                _grown(self.buttons, number, 0)[number] = int(value != 0)


class JoystickFile:
    """An open joystick; `read` never waits."""

    def __init__(self, path: Path) -> None:
        """Open it; raise InvalidDataError where that cannot be."""
        self.path, self.state = path, JoystickState()
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise InvalidDataError(
                f'joystick: got {path} ({error.strerror}), allowed {joysticks() or "none here"}'
            ) from error

    def read(self) -> bool:
        """Take all events that wait; return False once it is unplugged."""
        while True:
            try:
                data = os.read(self._file, 64 * _EVENT.size)
            except BlockingIOError:
                return True
            except OSError:  # ENODEV
                return False
            if not data:
                return False
            self.state.take(data[:len(data) - len(data) % _EVENT.size])

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def joysticks(place: Path = PLACE) -> list[str]:
    """Return the joysticks of this machine."""
    return sorted(str(path) for path in place.glob('js*'))


def _grown(values: list, number: int, nothing: float) -> list:
    values += [nothing] * (number + 1 - len(values))
    return values
