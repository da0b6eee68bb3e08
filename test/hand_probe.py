"""A hand at a gamepad and a terminal, for tests: it lives in a thread beside a running graph."""

from collections.abc import Callable
import os
import signal
import threading
import time

import rclpy
from rclpy.context import Context
from rclpy.publisher import Publisher
from sensor_msgs.msg import Joy
from std_msgs.msg import String
from vla_core.ros import qos
from vla_core.ros.arrays import fast

DEADMAN, HAND_BACK = 4, 5  # buttons of a gamepad
PATIENCE_S = 40.0
_PERIOD_S = 0.02


class Hand:
    """Publishes Joy while it is plugged in; `script` runs once the graph does, in a thread."""

    def __init__(self, script: Callable[['Hand'], None]) -> None:
        self.plugged = True
        self.problem: Exception | None = None
        self._script = script
        self._axes, self._buttons = [0.0] * 8, [0] * 11
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True)
                         for run in (self._publish, self._play)]

    def start(self, domain: int) -> None:
        """Join a ROS domain and begin."""
        self.domain = domain
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain)
        self._node = rclpy.create_node('hand_probe', context=self._context)
        self._joys = self._node.create_publisher(Joy, 'joy', qos.SENSOR_RELIABLE)
        self._keys = self._node.create_publisher(String, 'keys', qos.WORD)
        self._words = self._node.create_publisher(String, 'operator', qos.WORD)
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads; raise what went wrong in the script."""
        self._ending.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        self._node.destroy_node()
        self._context.try_shutdown()
        if self.problem is not None:
            raise self.problem

    # --- what a script does -------------------------------------------------------------------

    def hold(self, *axes: float) -> float:
        """Press the deadman and deflect the sticks; return when (this host's clock)."""
        self._axes = [*axes, *[0.0] * (8 - len(axes))]
        return self._press(DEADMAN)

    def release(self) -> float:
        """Let go of everything; return when."""
        self._axes = [0.0] * 8
        return self._press()

    def press(self, button: int) -> None:
        """Press a button for a moment."""
        self._press(button)
        self.wait(0.15)
        self._press()

    def say(self, word: str) -> None:
        """Say a word once somebody hears it."""
        self.until(lambda: self._words.get_subscription_count() >= 2)
        self._words.publish(String(data=word))

    def plug_in_another(self) -> Publisher:
        """Publish the same topic a second time, as another gamepad would."""
        return self._node.create_publisher(Joy, 'joy', qos.SENSOR_RELIABLE)

    def key(self, name: str) -> None:
        """Press a key of a terminal."""
        self._keys.publish(String(data=name))

    def wait(self, seconds: float) -> None:
        """Do nothing for a while."""
        self._ending.wait(seconds)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds; fail where it never does."""
        limit = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < limit and not self._ending.is_set(), 'waited in vain'
            time.sleep(0.01)

    # --- threads ------------------------------------------------------------------------------

    def _press(self, *buttons: int) -> float:
        self._buttons = [int(number in buttons) for number in range(11)]
        return time.time()

    def _publish(self) -> None:
        while not self._ending.wait(_PERIOD_S):
            if self.plugged:
                self._joys.publish(Joy(axes=fast(self._axes, 'f'), buttons=self._buttons))

    def _play(self) -> None:
        try:
            self._script(self)
        except Exception as error:  # noqa: BLE001 - told by `close`
            self.problem = error
        finally:
            self.plugged = False
            for word in ('discard', 'quit'):
                self._words.publish(String(data=word))
            if not self._ending.wait(PATIENCE_S):
                os.kill(os.getpid(), signal.SIGINT)  # the supervisor ends the graph
