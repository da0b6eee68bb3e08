"""The planner as a ROS node: ExecuteInstruction in, one Subtask at a time out."""

from dataclasses import dataclass, field

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from vla_core.errors import UnknownNameError, VlaError
from vla_core.ros import params, qos, spin
from vla_core.ros.convert import from_msg, to_msg
from vla_core.ros.diagnostics import OK, WARN
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.lockstep import Ack, PLANNER, PlannerGate, PlannerInput, Slots
from vla_core.types import Done, Observation, Tick
from vla_interfaces import msg
from vla_interfaces.action import ExecuteInstruction
from vla_planner.embedded import EmbeddedPlanner, PlannerConfig
from vla_planner.session import ExecuteSession, Silence
from vla_planner.verbatim import VerbatimPlanner

_PLANNERS = {'embedded': EmbeddedPlanner, 'verbatim': lambda config: VerbatimPlanner()}


@dataclass(frozen=True)
class NodeConfig:
    """How the node takes part in the graph."""

    lockstep: bool = field(
        default=False, metadata=params.about('step by the ticks of the simulation'))
    planner: str = field(default='embedded', metadata=params.about(
        "'embedded' reads the tasks of the bowl scene, 'verbatim' hands the sentence on"))
    patience_s: float = field(
        default=2.0, metadata=params.about('silence that diagnostics report [s]', 0.1, 60.0))


class PlannerNode(VlaLifecycleNode):
    """Serves one instruction at a time; a new one pre-empts the one before."""

    def __init__(self) -> None:
        """Start without an instruction."""
        super().__init__('planner')
        self._server: ActionServer | None = None
        self._forget()

    def setup(self) -> None:
        """Make the planner, its topics and its action server."""
        self._forget()
        self._config = params.declare(self, NodeConfig)
        self._planner = _make(self._config.planner, params.declare(self, PlannerConfig))
        self._subtasks = self.talk(msg.Subtask, 'subtask', qos.COMMAND)
        self.listen(msg.Observation, 'observation', self._on_observation, qos.COMMAND)
        self.listen(msg.ActionChunk, 'action_chunk', self._on_chunk, qos.COMMAND)
        if self._config.lockstep:
            self.listen(msg.ActionChunk, 'teleop_chunk', self._on_chunk, qos.COMMAND)
            self._acks = self.talk(msg.TickAck, 'tick_ack', qos.EVENT)
            self.listen(msg.TickAck, 'tick_ack', self._on_ack, qos.EVENT)
            self.listen(msg.Tick, 'tick', self._on_tick, qos.EVENT)
        self.every(0.5, self._watch)
        self._server = ActionServer(
            self, ExecuteInstruction, 'execute_instruction', self._close_goal,
            handle_accepted_callback=self.guarded(self._on_accepted),
            goal_callback=self._on_goal, cancel_callback=self._on_cancel)

    def teardown(self) -> None:
        """Release the action server."""
        server, self._server = self._server, None
        if server is not None:
            server.destroy()

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End the running instruction, then stop."""
        self._end(Done(False, 'the planner was deactivated'))
        return super().on_deactivate(state)

    def go_safe(self, error: Exception) -> None:
        """End the running instruction: the arm comes to rest."""
        self._end(Done(False, f'the planner failed: {error}'[:512]))

    # A goal stays ACCEPTED while it runs and is executed once its end is known: a coroutine
    # that awaits on the EventsExecutor is polled without pause and takes a whole core.

    def _on_goal(self, _: ExecuteInstruction.Goal) -> GoalResponse:
        # an unknown instruction is accepted and then aborted: a rejection carries no text
        return GoalResponse.ACCEPT if self.active else GoalResponse.REJECT

    def _on_accepted(self, handle: ServerGoalHandle) -> None:
        instruction = handle.request.instruction
        try:
            self._planner.accept(instruction)
            session = ExecuteSession(self._planner, instruction, handle.request.timeout_s)
        except VlaError as error:
            self._finish(handle, Done(False, str(error)[:512]))
            return
        self._end(Done(False, f'pre-empted by {instruction!r}'[:512]))
        self._session, self._handle = session, handle
        self._silence.begin(self.steady_s())
        self.get_logger().info(f'executing {instruction!r}')

    def _on_cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        if self._handle is not None and handle.goal_id == self._handle.goal_id:
            self._end(Done(False, 'cancelled'))
        return CancelResponse.ACCEPT

    def _close_goal(self, handle: ServerGoalHandle) -> ExecuteInstruction.Result:
        done = self._ends.pop(bytes(handle.goal_id.uuid))
        close = handle.succeed if done.success else handle.abort
        (handle.canceled if handle.is_cancel_requested else close)()
        return ExecuteInstruction.Result(success=done.success, message=done.message)

    def _end(self, done: Done) -> None:
        session, handle, self._session, self._handle = self._session, self._handle, None, None
        if session is not None and session.subtask is not None:
            self._subtasks.publish(to_msg(session.rest()))
        if handle is not None:
            self._finish(handle, done)

    def _finish(self, handle: ServerGoalHandle, done: Done) -> None:
        self._ends[bytes(handle.goal_id.uuid)] = done
        self.get_logger().info(f'{handle.request.instruction!r} ended: {done.message}')
        handle.execute()

    def _on_observation(self, message: msg.Observation) -> None:
        self._silence.hear('observation', self.steady_s())
        if self._config.lockstep:
            self._gate.on_observation(from_msg(message))
            self._advance()
        else:
            self._step(from_msg(message))

    def _on_chunk(self, message: msg.ActionChunk) -> None:
        self._silence.hear('action_chunk', self.steady_s())
        chunk = from_msg(message)
        if self._config.lockstep:
            self._gate.on_chunk(chunk)
            self._advance()
        elif self._session is not None:
            self._session.on_chunk(chunk)

    def _on_ack(self, message: msg.TickAck) -> None:
        self._gate.on_ack(from_msg(message))
        self._advance()

    def _on_tick(self, message: msg.Tick) -> None:
        tick = from_msg(message)
        if tick.observe:
            self._ticks.put(tick.stamp_ns, tick)
        self._advance()

    def _advance(self) -> None:
        """Answer the waiting lockstep step once all of it is here."""
        self._waiting = self._gate.take() or self._waiting  # a newer one supersedes
        tick = self._waiting and self._ticks.get(self._waiting.observation.stamp_ns)
        if tick is None:
            return
        waiting, self._waiting, sent = self._waiting, None, 0
        self._ticks.forget(tick.stamp_ns)
        if self._session is not None and waiting.previous is not None:
            self._session.on_chunk(waiting.previous)
        try:
            sent = self._step(waiting.observation)
        finally:  # an error ends the instruction, not the simulation
            ack = Ack(tick.stamp_ns, tick.tick, tick.episode_id, PLANNER, sent)
            self._acks.publish(to_msg(ack))

    def _step(self, observation: Observation) -> int:
        """Publish the subtask of this instant; return how many were published."""
        if self._session is None:
            return 0
        word = self._session.on_observation(observation)
        if isinstance(word, Done):
            self._end(word)
            return 0
        message = to_msg(word)
        self._subtasks.publish(message)
        self._handle.publish_feedback(ExecuteInstruction.Feedback(
            subtask=message, reasoning=word.reasoning, progress=self._session.progress))
        return 1

    def _watch(self) -> None:
        """Say what a running instruction waits for."""
        silent, line = (), 'idle'
        if self._session is not None:
            silent = self._silence.topics(self.steady_s(), self._config.patience_s)
            line = ' and '.join(f'no {topic}' for topic in silent) or 'executing'
        if self.diagnostics.set('input', WARN if silent else OK, line) and silent:
            self.get_logger().warning(line)

    def _forget(self) -> None:
        self._session: ExecuteSession | None = None
        self._handle: ServerGoalHandle | None = None
        self._ends: dict[bytes, Done] = {}
        self._gate = PlannerGate()
        self._ticks: Slots[Tick] = Slots()
        self._waiting: PlannerInput | None = None
        self._silence = Silence(('observation', 'action_chunk'))


def _make(name: str, config: PlannerConfig) -> EmbeddedPlanner | VerbatimPlanner:
    if name not in _PLANNERS:
        raise UnknownNameError('planner', name, _PLANNERS)
    return _PLANNERS[name](config)


def main() -> int:
    """Run the node until it is told to end."""
    return spin.run(PlannerNode)


if __name__ == '__main__':
    raise SystemExit(main())
