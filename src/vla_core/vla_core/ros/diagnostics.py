"""A node's health on `diagnostics`: on every change and once a second."""

from collections.abc import Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from vla_core.ros import qos

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR
STALE = DiagnosticStatus.STALE


def build_status(
    level: bytes, name: str, message: str, values: Mapping[str, object] | None = None
) -> DiagnosticStatus:
    """Return one status; `values` become key-value strings."""
    pairs = [KeyValue(key=key, value=str(value)) for key, value in (values or {}).items()]
    return DiagnosticStatus(level=level, name=name, message=message, values=pairs)


class Diagnostics:
    """Keeps one status a concern and publishes them."""

    def __init__(self, node: Node, period_s: float = 1.0) -> None:
        self._node = node
        self._entries: dict[str, DiagnosticStatus] = {}
        self._publisher = node.create_publisher(DiagnosticArray, 'diagnostics', qos.SET_POINT)
        self._timer = node.create_timer(
            period_s, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def set(self, concern: str, level: bytes, message: str, **values: object) -> bool:
        """Set the status of a concern; publish and return True when level or message changed."""
        name = f'{self._node.get_name()}: {concern}'
        before = self._entries.get(concern)
        self._entries[concern] = build_status(level, name, message, values)
        changed = before is None or (before.level, before.message) != (level, message)
        if changed:
            self.publish()
        return changed

    def publish(self) -> None:
        """Publish every status now."""
        array = DiagnosticArray(status=list(self._entries.values()))
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)

    def close(self) -> None:
        """Destroy the publisher and its timer."""
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._publisher)
