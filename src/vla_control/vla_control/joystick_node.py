"""A gamepad plugged into this machine as `joy`, for a ROS that has no `joy` package.

Where the gamepad is unplugged the node falls silent, which stops the arm, and opens the same
path again when it is back.
"""

from dataclasses import dataclass, field
from pathlib import Path
import sys

from sensor_msgs.msg import Joy
from vla_control.teleop.joystick import JoystickFile
from vla_core.errors import VlaError
from vla_core.ros import qos
from vla_core.ros.arrays import fast
from vla_core.ros.diagnostics import ERROR, OK
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.params import about, declare
from vla_core.ros.spin import run


@dataclass(frozen=True)
class NodeConfig:
    """Parameters of the joystick node."""

    path: str = field(default='/dev/input/js0', metadata=about('the joystick'))
    rate_hz: float = field(default=60.0, metadata=about('messages a second', 10.0, 500.0))


class JoystickNode(VlaLifecycleNode):
    """Publishes the state of one joystick."""

    def __init__(self) -> None:
        super().__init__('joystick')
        self._file: JoystickFile | None = None

    def setup(self) -> None:
        """Open the joystick; one that is not there is refused."""
        config = declare(self, NodeConfig)
        self._path = Path(config.path)
        self._file = JoystickFile(self._path)
        self._joys = self.talk(Joy, 'joy', qos.SENSOR_RELIABLE)
        self.every(1.0 / config.rate_hz, self._publish)
        self.every(1.0, self._reopen)
        self.diagnostics.set('joystick', OK, str(self._path))

    def teardown(self) -> None:
        """Close the joystick."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _publish(self) -> None:
        if self._file is None:
            return
        if not self._file.read():
            self.teardown()
            self.diagnostics.set('joystick', ERROR, f'{self._path} is unplugged')
            self.get_logger().error(f'{self._path} is unplugged: the arm stops')
            return
        state = self._file.state
        message = Joy(axes=fast(state.axes, 'f'), buttons=list(state.buttons))
        message.header.stamp = self.get_clock().now().to_msg()
        self._joys.publish(message)

    def _reopen(self) -> None:
        if self._file is not None:
            return
        try:
            self._file = JoystickFile(self._path)
        except VlaError:
            return  # not back yet
        self.diagnostics.set('joystick', OK, str(self._path))
        self.get_logger().info(f'{self._path} is back')


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(JoystickNode, args)


if __name__ == '__main__':
    sys.exit(main())
