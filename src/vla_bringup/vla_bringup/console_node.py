"""The terminal as a publisher: keys for the teleop node, words for whoever records.

It says at 10 Hz that it is there; when the terminal is lost it says nothing more, and an arm that
is driven by keys stops.
"""

from collections import deque
from collections.abc import Callable, Sequence
import contextlib
from functools import partial
import sys
import threading

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image
from std_msgs.msg import String
from vla_bringup.terminal import Terminal
from vla_control.teleop.keys import MOVING, RECORDING, STEERING, WORDS
from vla_core.errors import VlaError
from vla_core.ros import qos
from vla_core.ros.arrays import from_image

OnImage = Callable[[str, np.ndarray], None]
_PERIOD_S = 0.1
_WAITING = 8  # words that nobody hears yet


class Console:
    """Reads a terminal in a thread and publishes in a ROS context of its own."""

    def __init__(
        self, terminal: Terminal, domain: int | None = None,
        on_lost: Callable[[], None] = lambda: None, listeners: int = 1,
        cameras: Sequence[str] = (), on_image: OnImage = lambda camera, image: None,
    ) -> None:
        """Join a ROS domain (that of the environment without one).

        Words wait until so many `listeners` are there to hear them. `on_image` hears the
        pictures of `cameras`, (H, W, 3) uint8 RGB.
        """
        self._terminal, self._on_lost, self._listeners = terminal, on_lost, listeners
        self._waiting: deque[str] = deque(maxlen=_WAITING)
        self._context = Context()
        rclpy.init(args=[], context=self._context, domain_id=domain)
        self._node = rclpy.create_node('console', context=self._context)
        self._keys = self._node.create_publisher(String, 'keys', qos.WORD)
        self._words = self._node.create_publisher(String, 'operator', qos.WORD)
        for camera in cameras:
            self._node.create_subscription(
                Image, f'{camera}/image', partial(_see, on_image, camera), qos.IMAGE)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._spins = 2 * len(cameras)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._loop, name='console', daemon=True)

    def __enter__(self) -> 'Console':
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ending.set()
        self._thread.join(5.0)
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def wait(self) -> None:
        """Return when the terminal is lost."""
        self._thread.join()

    def _loop(self) -> None:
        try:
            self._publish_keys()
        finally:  # also where something failed: nobody could stop the arm by a key any more
            if not self._ending.is_set():
                self._on_lost()

    def _publish_keys(self) -> None:
        while not self._ending.is_set():
            names = self._terminal.read(_PERIOD_S)
            if names is None:
                return
            for name in names:
                if name in WORDS:
                    self._waiting.append(WORDS[name])
                else:
                    self._keys.publish(String(data=name))
            self._keys.publish(String(data=''))
            for _ in range(self._spins):
                self._executor.spin_once(timeout_sec=0.0)
            while self._waiting and self._words.get_subscription_count() >= self._listeners:
                self._words.publish(String(data=self._waiting.popleft()))


def _see(on_image: OnImage, camera: str, message: Image) -> None:
    with contextlib.suppress(VlaError):  # a picture that cannot be shown is none
        on_image(camera, from_image(message))


def main() -> int:
    """Publish the keys of this terminal until Ctrl-C."""
    try:
        with Terminal() as terminal, Console(terminal) as console:
            print(f'{MOVING}\n{STEERING}\n{RECORDING}')
            console.wait()
    except VlaError as error:
        print(f'console: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == '__main__':
    sys.exit(main())
