"""Call a service and wait for its answer, in a node that spins itself."""

from collections.abc import Callable

import rclpy
from vla_core.errors import VlaError

Wait = Callable[[Callable[[], bool], float], bool]  # until a condition holds, at most [s]
THERE_S, ANSWER_S = 15.0, 30.0


def call(client: rclpy.client.Client, request: object, wait: Wait) -> object:
    """Return the answer; raise VlaError where none comes."""
    if not client.wait_for_service(THERE_S):
        raise VlaError(f'{client.srv_name}: got no answer within {THERE_S:g} s, '
                       'allowed a running node')
    future = client.call_async(request)
    if not wait(future.done, ANSWER_S):
        raise VlaError(f'{client.srv_name}: got no answer within {ANSWER_S:g} s')
    return future.result()
