"""The main function of every node: make it, bring it up, spin it, end it."""

from collections.abc import Callable, Sequence
import signal
import sys
import traceback
from types import FrameType

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from vla_core.errors import VlaError

EXIT_MENDABLE = 2  # the user's input was wrong; one line says what


class _Stop:
    """SIGINT and SIGTERM: end the spin loop, or interrupt what comes before and after it."""

    def __init__(self) -> None:
        self.asked = False
        self.spinning = False
        signal.signal(signal.SIGINT, self._on_signal)
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True
        if not self.spinning:
            raise KeyboardInterrupt


def run(make_node: Callable[[], Node], args: Sequence[str] | None = None) -> int:
    """Spin a node on an EventsExecutor until SIGINT or SIGTERM; return the exit code.

    Both signals end it within a second with 0. A VlaError while the node comes up is printed
    as one line and ends in 2; anything else is printed with its traceback and ends in 1.
    """
    stop = _Stop()
    node = None
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = make_node()
        if hasattr(node, 'start'):
            node.start()
        _spin(node, stop)
        return 0
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except VlaError as error:
        print(f'{node.get_name() if node else sys.argv[0]}: {error}', file=sys.stderr)
        return EXIT_MENDABLE
    except Exception:  # noqa: BLE001 - the node boundary: end, to be restarted
        traceback.print_exc()
        return 1
    finally:
        _close(node, stop)


def _spin(node: Node, stop: _Stop) -> None:
    executor = EventsExecutor()
    executor.add_node(node)
    stop.spinning = True
    try:
        while rclpy.ok() and not stop.asked:
            executor.spin_once(timeout_sec=0.5)  # without an end it starves timers and signals
    finally:
        executor.remove_node(node)
        executor.shutdown()


def _close(node: Node | None, stop: _Stop) -> None:
    stop.spinning = True  # a second Ctrl-C does not tear the clean-up
    if node is not None:
        node.destroy_node()
    rclpy.try_shutdown()
