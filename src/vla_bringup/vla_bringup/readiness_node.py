"""Wait until every lifecycle node of a graph is active."""

from collections.abc import Callable, Sequence
import time

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.node import Node
from vla_core.errors import VlaError

_DISCOVERY_S = 0.5  # for the last node's topics to find their peers
_POLL_S = 0.5

Wait = Callable[[Callable[[], bool], float], bool]


def await_active(node: Node, wait: Wait, names: Sequence[str], timeout_s: float) -> None:
    """Return once all `names` are active; raise VlaError naming those that are not in time."""
    clients = {name: node.create_client(GetState, f'{name}/get_state') for name in names}
    missing, limit = list(names), time.monotonic() + timeout_s
    while missing:
        if time.monotonic() > limit:
            raise VlaError(
                f'graph: got {", ".join(missing)} not active within {timeout_s:g} s')
        if not is_active(clients[missing[0]], wait):
            wait(lambda: False, _POLL_S / 5)
            continue
        node.destroy_client(clients[missing.pop(0)])
    wait(lambda: False, _DISCOVERY_S)


def is_active(client: object, wait: Wait) -> bool:
    """Return whether the node behind a GetState client says at once that it is active."""
    if not client.service_is_ready():
        return False
    future = client.call_async(GetState.Request())
    return (wait(future.done, _POLL_S)
            and future.result().current_state.id == State.PRIMARY_STATE_ACTIVE)
