"""Keep one instruction with the planner, also across the planner's death."""

from collections.abc import Callable

from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.node import Node
from rclpy.task import Future
from vla_core.errors import VlaError
from vla_core.ros.convert import from_msg
from vla_core.types import Subtask
from vla_interfaces.action import ExecuteInstruction

Wait = Callable[[Callable[[], bool], float], bool]


class InstructionClient:
    """Client of `execute_instruction`; sends the instruction again to a planner that came back.

    A planner that was killed answers nothing, and discovery notices its death late; but its
    successor publishes `subtask` under a new endpoint id, which is how it is recognised.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._client = ActionClient(node, ExecuteInstruction, 'execute_instruction')
        self._handle: ClientGoalHandle | None = None
        self._sent: Future | None = None
        self._known: set[bytes] = set()
        self.result: ExecuteInstruction.Result | None = None
        self.subtask: Subtask | None = None  # the newest of the running instruction

    def send(self, instruction: str, wait: Wait) -> None:
        """Send an instruction and wait until it is accepted."""
        self._send(instruction)
        if not wait(lambda: self._handle is not None or self.result is not None, 10.0):
            raise VlaError('planner: the instruction was not accepted within 10 s')

    def keep(self, instruction: str) -> None:
        """Send the instruction again if a new planner has come up."""
        if self._planners() - self._known and self._client.server_is_ready():
            self._node.get_logger().warning('the planner came back: instruct it again')
            self._send(instruction)

    def cancel(self, wait: Wait) -> None:
        """Cancel the instruction; a planner that is gone is not waited for long."""
        if self._handle is None or self.result is not None:
            return
        future = self._handle.cancel_goal_async()
        wait(lambda: future.done() and self.result is not None, 1.0)

    def _send(self, instruction: str) -> None:
        if not self._client.wait_for_server(10.0):
            raise VlaError('planner: no execute_instruction server within 10 s')
        self._known |= self._planners()
        self._handle = self.result = self.subtask = None
        goal = ExecuteInstruction.Goal(instruction=instruction, timeout_s=0.0)
        self._sent = sent = self._client.send_goal_async(goal, feedback_callback=self._on_feedback)
        sent.add_done_callback(self._on_answer)

    def _on_answer(self, future: Future) -> None:
        handle = future.result()
        if future is not self._sent:
            return
        if not handle.accepted:
            self.result = ExecuteInstruction.Result(success=False, message='goal rejected')
            return
        self._handle = handle
        result = handle.get_result_async()
        result.add_done_callback(lambda done: self._on_result(handle, done))

    def _on_result(self, handle: ClientGoalHandle, future: Future) -> None:
        if handle is self._handle:
            self.result = future.result().result

    def _on_feedback(self, message: ExecuteInstruction.Impl.FeedbackMessage) -> None:
        self.subtask = from_msg(message.feedback.subtask)

    def _planners(self) -> set[bytes]:
        infos = self._node.get_publishers_info_by_topic('subtask')
        return {bytes(info.endpoint_gid) for info in infos}
