"""The operator's session: sets the scene, carries out what a person says, counts what is kept.

Words come on `operator`: from the terminal, from a device's buttons, from anybody. Every event is
a JSON line for whoever shows the run.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
import json
from pathlib import Path
import signal
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from vla_bringup.instruction_node import InstructionClient
from vla_bringup.operator_graph import task_of
from vla_bringup.readiness_node import await_active
from vla_bringup.recording_session import Act, Deed, RecordingSession, Stage
from vla_bringup.recordings import count_kept
from vla_bringup.session import plan_episodes, PlannedEpisode, TABLE_TIMEOUT_S, TIMEOUT_S
from vla_control.teleop.signals import STEERING
from vla_core.errors import VlaError
from vla_core.ros import qos
from vla_core.ros.convert import from_msg
from vla_core.ros.params import about, declare
from vla_core.types import Mode, TaskOutcome
from vla_interfaces import msg
from vla_interfaces.srv import RecordStart, RecordStop, Reset
from vla_sim.catalogue import BOWL, find_scene

_STALLED_S = 60.0  # without a word of the simulator the session is given up
_LOST_S = 3.0  # a recorder that does not say for so long that it records does not
_VERDICTS = {None: RecordStop.Request.KEEP, True: RecordStop.Request.SUCCESS,
             False: RecordStop.Request.FAILURE}


@dataclass(frozen=True)
class OperatorConfig:
    """Parameters of the session."""

    robot: str = field(default='panda', metadata=about('robot spec'))
    scene: str = field(default=BOWL, metadata=about('scene whose tasks are done'))
    real: bool = field(default=False, metadata=about('an arm of its own: nothing is reset'))
    instruction: str = field(default='', metadata=about('what to do; empty: the tasks in turn'))
    episodes: int = field(
        default=0, metadata=about('episodes to record; 0 records nothing', 0, 1_000_000))
    seed: int = field(default=0, metadata=about('seed of the first scene', 0, 2**53))
    record: str = field(default='', metadata=about('data set of the recorder'))
    hands_free: bool = field(
        default=False, metadata=about("begin, judge and keep by the simulator's verdict"))
    policy: bool = field(
        default=False, metadata=about('a policy drives until a person takes over'))
    planned: bool = field(default=False, metadata=about('a planner is there to be instructed'))
    nodes: str = field(default='', metadata=about('nodes to wait for'))
    ready_s: float = field(
        default=120.0, metadata=about('wait so long for the graph [s]', 1.0, 3600.0))


class OperatorNode(Node):
    """Carries out a RecordingSession; where nothing is recorded, sets one scene after another."""

    def __init__(self) -> None:
        super().__init__('operator')
        self.config = declare(self, OperatorConfig)
        self._words: deque[str] = deque()
        self._outcome: TaskOutcome | None = None
        self._recorded_s = 0.0  # when the recorder said last that it records [s]
        self._heard_s = 0.0  # when the simulator said last how it goes [s]
        self._mode = Mode.HOLD
        self._episode_id, self._planning = '', True
        self._resets = self.create_client(Reset, 'reset')
        self._runs = self.create_client(SetBool, 'run')
        self._recorder = {
            Deed.BEGIN: self.create_client(RecordStart, 'recorder/start'),
            Deed.FREEZE: self.create_client(Trigger, 'recorder/freeze'),
            Deed.KEEP: self.create_client(RecordStop, 'recorder/stop'),
            Deed.DISCARD: self.create_client(Trigger, 'recorder/discard')}
        self._instructions = InstructionClient(self) if self.config.planned else None
        self.create_subscription(String, 'operator', self._on_word, qos.WORD)
        self.create_subscription(msg.TaskOutcome, 'task_outcome', self._on_outcome, qos.SET_POINT)
        self.create_subscription(msg.ControlStatus, 'control_status', self._on_status, qos.EVENT)
        self.create_subscription(
            DiagnosticArray, 'diagnostics', self._on_diagnostics, qos.SET_POINT)
        self._spoken = self.create_publisher(String, 'operator', qos.WORD)
        self._executor = EventsExecutor()
        self._executor.add_node(self)

    def play(self) -> int:
        """Run the session to its end; return the exit code."""
        config = self.config
        tell('waiting', text='the graph comes up')
        await_active(self, self.wait, config.nodes.split(), config.ready_s)
        if not config.episodes:
            return self._free()
        session = RecordingSession(count_kept(Path(config.record)), config.episodes)
        plan = self._plan(config.episodes, config.seed)
        again = False
        while session.stage is not Stage.OVER:
            planned = plan[session.kept]
            self._set_scene(planned)
            tell('ready', number=session.kept + 1, count=session.wanted, task=planned.task,
                 instruction=planned.instruction)
            if again or config.hands_free:
                self._words.append('start')
            again = self._record(session, planned)
        return 0

    def close(self) -> None:
        """Release everything."""
        self._executor.remove_node(self)
        self.destroy_node()

    # --- without a recording ------------------------------------------------------------------

    def _free(self) -> int:
        """Set the scene, let it run, and set it again when a person says redo."""
        config = self.config
        seed, word = config.seed, 'redo'
        while word != 'quit':
            if word == 'redo':
                planned, = self._plan(1, seed)
                self._set_scene(planned)
                self._run(True)
                tell('free', task=planned.task, instruction=planned.instruction)
                seed += 1
            self.wait(lambda: bool(self._words), 0.2)
            word = self._words.popleft() if self._words else ''
            if config.hands_free and self._outcome and self._outcome.done:
                tell('verdict', success=self._outcome.success, reason=self._outcome.reason)
                word = 'quit'
        return 0

    # --- one episode --------------------------------------------------------------------------

    def _record(self, session: RecordingSession, planned: PlannedEpisode) -> bool:
        """Do what is said until the episode is kept or dropped; return whether it is redone."""
        while True:
            act = self._next_act(session)
            if act is None:
                continue
            if act.deed is Deed.BEGIN and not self._begin(planned):
                session.lose()
            elif act.deed is Deed.FREEZE:
                self._freeze(session)
            elif act.deed is Deed.KEEP:
                self._keep(session, act)
                return False
            elif act.deed in (Deed.REDO, Deed.DISCARD):
                self._drop(act.deed.value)
                session.stage = Stage.READY  # until the scene is set
                return act.deed is Deed.REDO
            elif act.deed is Deed.QUIT:
                return False

    def _next_act(self, session: RecordingSession) -> Act | None:
        """Wait a moment for a word, the simulator's verdict or a recorder that is lost."""
        self.wait(lambda: bool(self._words) or self._is_over(session), 0.2)
        self._check_time(session)
        self._tell_planners_end(session)
        if session.stage is Stage.RECORDING and self._is_lost():
            self._pause()
            session.lose()
            tell('lost', text='the recorder does not record: this episode is lost, begin it again')
            return Act(Deed.DISCARD)
        if self._is_over(session):
            return session.judge(self._outcome.success)
        if not self._words:
            return None
        act = session.hear(self._words.popleft())
        if isinstance(act, str):
            tell('said', text=act)
            return None
        return act

    def _begin(self, planned: PlannedEpisode) -> bool:
        answer = self._call(self._recorder[Deed.BEGIN], RecordStart.Request(
            episode_id=self._episode_id, task=planned.task, instruction=planned.instruction))
        if not answer.success:
            tell('said', text=answer.message)
            return False
        self._recorded_s = self._heard_s = time.monotonic()
        self._episode_id = answer.episode_id
        tell('recording', episode=answer.episode_id)
        self._run(True)
        return True

    def _freeze(self, session: RecordingSession) -> None:
        self._call(self._recorder[Deed.FREEZE], Trigger.Request())
        self._pause()
        judged = 'not judged' if session.verdict is None else (
            'success' if session.verdict else 'failure')
        tell('review', text=judged, reason=self._outcome.reason if self._outcome else '')
        if self.config.hands_free:
            self._words.append('keep')

    def _keep(self, session: RecordingSession, act: Act) -> None:
        reason = self._outcome.reason if self._outcome and self._outcome.done else ''
        answer = self._call(self._recorder[Deed.KEEP], RecordStop.Request(
            verdict=_VERDICTS[act.success], reason=reason[:256]))
        self._pause()
        if answer.success:
            tell('kept', number=session.kept, success=act.success, episode=answer.episode_id)
        else:
            session.unkeep()
            tell('lost', text=f'this episode is lost: {answer.message}')

    def _drop(self, how: str) -> None:
        self._call(self._recorder[Deed.DISCARD], Trigger.Request())
        self._pause()
        tell('dropped', how=how)

    def _is_over(self, session: RecordingSession) -> bool:
        return session.stage is Stage.RECORDING and bool(self._outcome and self._outcome.done)

    def _check_time(self, session: RecordingSession) -> None:
        """Raise VlaError where the simulated time stands still: a node does not answer."""
        stalled_s = time.monotonic() - self._heard_s
        if not self.config.real and session.stage is Stage.RECORDING and stalled_s > _STALLED_S:
            raise VlaError(f'the simulation stood still for {_STALLED_S:g} s, allowed progress')

    def _tell_planners_end(self, session: RecordingSession) -> None:
        """Say once that the planner asks for nothing more: the policy rests, a person may drive."""
        ended = self._instructions.result if self._instructions is not None else None
        if ended is not None and session.stage is Stage.RECORDING and self._planning:
            self._planning = False
            tell('said', text=f'planner: {ended.message}')

    def _is_lost(self) -> bool:
        return time.monotonic() - self._recorded_s > _LOST_S

    # --- the scene ----------------------------------------------------------------------------

    def _plan(self, episodes: int, seed: int) -> list[PlannedEpisode]:
        """Return what is done in which scene; of a task's name a sentence is drawn each time."""
        tasks, asked = tuple(find_scene(self.config.scene).tasks), self.config.instruction
        if not self.config.real and asked in tasks:
            tasks, asked = (asked,), ''
        return plan_episodes(episodes, seed, asked, judge=self._judge, tasks=tasks)

    def _judge(self, sentence: str) -> list[str]:
        """Return the task that a sentence asks for, if any."""
        task = '' if self.config.real else task_of(sentence, self.config.scene)
        return [task] if task else []

    def _set_scene(self, planned: PlannedEpisode) -> None:
        self._outcome, self._episode_id, self._planning = None, '', True
        if not self.config.real:
            task_s = TIMEOUT_S if self.config.scene == BOWL else TABLE_TIMEOUT_S
            answer = self._call(self._resets, Reset.Request(
                seed=planned.seed, task=planned.task, hold=True,
                timeout_s=task_s if self.config.hands_free else 0.0))
            if not answer.success:
                raise VlaError(f'reset: {answer.message}')
            self._episode_id = answer.episode_id
            self._outcome = None
        if self.config.policy:  # each episode is the policy's to begin with
            self._spoken.publish(String(data='hand_back'))
        if self._instructions is not None:
            self._instructions.send(planned.instruction, self.wait)

    def _run(self, running: bool) -> None:
        if not self.config.real:
            self._call(self._runs, SetBool.Request(data=running))

    def _pause(self) -> None:
        """Let the scene stand still, and the planner ask for nothing more."""
        self._run(False)
        if self._instructions is not None:
            self._instructions.cancel(self.wait)

    # --- topics and services ------------------------------------------------------------------

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Spin until the condition holds; return whether it does within `timeout_s`."""
        limit = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < limit:
            self._executor.spin_once(timeout_sec=0.05)
        return condition()

    def _call(self, client: rclpy.client.Client, request: object) -> object:
        if not client.wait_for_service(15.0):
            raise VlaError(f'{client.srv_name}: got no answer within 15 s, allowed a running node')
        future = client.call_async(request)
        if not self.wait(future.done, 30.0):
            raise VlaError(f'{client.srv_name}: got no answer within 30 s')
        return future.result()

    def _on_word(self, message: String) -> None:
        if message.data not in STEERING:  # those are the teleop node's
            self._words.append(message.data)

    def _on_outcome(self, message: msg.TaskOutcome) -> None:
        outcome, self._heard_s = from_msg(message), time.monotonic()
        if not self._episode_id or outcome.episode_id == self._episode_id:
            self._outcome = outcome

    def _on_status(self, message: msg.ControlStatus) -> None:
        if message.mode != self._mode:
            self._mode = message.mode
            tell('mode', mode=Mode(message.mode).name, source=message.source,
                 reason=message.reason)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            if status.name == 'recorder: recording' and values.get('episode'):
                self._recorded_s = time.monotonic()


def tell(event: str, **fields: object) -> None:
    """Print one event as a JSON line."""
    print(json.dumps({'event': event, **fields}), flush=True)


def main() -> int:
    """Run the session to its end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    session = None
    try:
        session = OperatorNode()
        return session.play()
    except VlaError as error:
        print(f'operator: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        if session is not None:
            session.close()
        rclpy.try_shutdown()


if __name__ == '__main__':
    sys.exit(main())
