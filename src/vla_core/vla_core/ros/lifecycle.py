"""The base of the suite's nodes: lifecycle, autostart, and one boundary that goes safe."""

from collections.abc import Callable
import functools
import time
import traceback
from typing import Any

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Timer
from vla_core.errors import VlaError
from vla_core.ros.diagnostics import Diagnostics, ERROR, OK


class VlaLifecycleNode(LifecycleNode):
    """A lifecycle node that configures and activates itself unless `autostart` is false.

    Subclasses implement `setup` (make everything, raise VlaError on bad input), `teardown`
    (release what setup made beyond `listen`, `talk`, `serve`, `every`; must bear a partial
    setup) and may override `go_safe`. Their callbacks run only while the node is active, and
    an exception in one is logged with its traceback and handed to `go_safe`: rclpy would
    swallow those of transitions (rclpy lifecycle/node.py, `__execute_callback`).
    """

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.declare_parameter('autostart', True, ParameterDescriptor(
            description='configure and activate at the start', read_only=True))
        self.active = False
        self.diagnostics = Diagnostics(self)
        self._failure: Exception | None = None
        self._starting = False
        self._entities: list[Publisher | Subscription | Service | Timer] = []

    def setup(self) -> None:
        """Make what the node needs; called on configure."""
        raise NotImplementedError

    def teardown(self) -> None:
        """Release what setup made; called on cleanup, shutdown and after a failed setup."""

    def go_safe(self, error: Exception) -> None:
        """Bring the node's effect on the robot to rest after an exception in a callback."""

    def start(self) -> None:
        """Configure and activate if `autostart`; raise the reason when that fails."""
        if not self.get_parameter('autostart').value:
            return
        self._starting = True
        for trigger in (self.trigger_configure, self.trigger_activate):
            if trigger() != TransitionCallbackReturn.SUCCESS:
                raise self._failure or VlaError(f'{trigger.__name__} failed')
        self._starting = False

    def steady_s(self) -> float:
        """Return the steady clock [s]: for watchdogs and durations only."""
        return time.monotonic()

    # --- entities, all guarded by the node boundary -------------------------------------------

    def talk(self, kind: type, topic: str, profile: QoSProfile) -> Publisher:
        """Return a publisher that lives until cleanup."""
        return self._own(self.create_publisher(kind, topic, profile))

    def listen(
        self, kind: type, topic: str, callback: Callable[[Any], None], profile: QoSProfile,
        *, raw: bool = False,
    ) -> Subscription:
        """Return a subscription that is heard while the node is active.

        A `raw` one hands over the bytes of each message as they came.
        """
        return self._own(self.create_subscription(
            kind, topic, self.guarded(callback), profile, raw=raw))

    def forget(self, entity: Publisher | Subscription | Service | Timer) -> None:
        """Destroy one of the node's entities before cleanup."""
        self._entities.remove(entity)
        self._destroy(entity)

    def every(self, period_s: float, callback: Callable[[], None]) -> Timer:
        """Return a timer on the steady clock that fires while the node is active."""
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        return self._own(self.create_timer(period_s, self.guarded(callback), clock=clock))

    def serve(self, kind: type, name: str, callback: Callable[[Any, Any], Any]) -> Service:
        """Return a service that lives until cleanup; it also answers while inactive."""
        return self._own(self.create_service(kind, name, callback))

    def guarded(self, callback: Callable[..., None]) -> Callable[..., None]:
        """Return `callback` inside the node boundary: only while active, never raising."""
        @functools.wraps(callback)
        def call(*arguments: Any) -> None:
            if not self.active:
                return
            try:
                callback(*arguments)
            except Exception as error:  # noqa: BLE001 - the node boundary
                self.report(error)
                self._go_safe(error)
        return call

    def report(self, error: Exception) -> None:
        """Log an exception (one line if the user can mend it) and put it on diagnostics."""
        line = f'{type(error).__name__}: {error}'
        text = line if isinstance(error, VlaError) else f'{line}\n{traceback.format_exc()}'
        self.get_logger().error(text, throttle_duration_sec=1.0)
        self.diagnostics.set('node', ERROR, line)

    # --- transitions --------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run setup; on failure release everything and keep the reason."""
        try:
            self.setup()
        except Exception as error:  # noqa: BLE001 - the node boundary: rclpy would swallow it
            self._failure = error
            if not self._starting:  # `start` raises it instead
                self.report(error)
            self._release()
            return TransitionCallbackReturn.FAILURE
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let the callbacks run."""
        self.active = True
        self.diagnostics.set('node', OK, 'active')
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop the callbacks."""
        self.active = False
        self.diagnostics.set('node', OK, 'inactive')
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release what setup made."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release what setup made."""
        self._release()
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        """Release everything, then destroy the node."""
        self._release()
        super().destroy_node()

    def _go_safe(self, error: Exception) -> None:
        try:
            self.go_safe(error)
        except Exception as second:  # noqa: BLE001 - the boundary's own boundary
            self.report(second)

    def _own(self, entity: Any) -> Any:
        self._entities.append(entity)
        return entity

    def _release(self) -> None:
        self.active = False
        try:
            self.teardown()
        except Exception as error:  # noqa: BLE001 - node boundary: release the rest
            self.report(error)
        for entity in self._entities:
            self._destroy(entity)
        self._entities.clear()

    def _destroy(self, entity: Publisher | Subscription | Service | Timer) -> None:
        destroyers = {Subscription: self.destroy_subscription, Service: self.destroy_service,
                      Timer: self.destroy_timer, Publisher: self.destroy_publisher}
        next(destroy for kind, destroy in destroyers.items() if isinstance(entity, kind))(entity)
