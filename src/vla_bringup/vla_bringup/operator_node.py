"""The operator's session: sets the scene, carries out what a person says, counts what is kept.

Words come on `operator`: from the terminal, from a device's buttons, from anybody. Every event is
a JSON line for whoever shows the run.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
import re
import sys
import time

from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from std_msgs.msg import String
from std_srvs.srv import Trigger
from vla_bringup.operator_graph import task_of
from vla_bringup.readiness_node import await_active
from vla_bringup.recorder_client_node import RecorderClient
from vla_bringup.recording_session import Act, Deed, RecordingSession, Stage
from vla_bringup.recordings import count_kept
from vla_bringup.scene_node import Scene
from vla_bringup.services_node import call
from vla_bringup.session import plan_episodes, PlannedEpisode, TABLE_TIMEOUT_S, TIMEOUT_S
from vla_bringup.session_node import run_to_end, tell
from vla_control.teleop.signals import STEERING
from vla_core.errors import VlaError
from vla_core.ros import qos
from vla_core.ros.params import about, declare
from vla_core.types import Mode
from vla_interfaces import msg
from vla_sim.catalogue import BOWL, find_scene

_NUMBER = re.compile(r'[-\d.]+')  # of a reason: another age is no other reason
_JUDGED = {None: 'not judged', True: 'success', False: 'failure'}


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
        self._shown: tuple[int, str, str] = (int(Mode.HOLD), '', '')
        self._scene = Scene(self, self.wait, real=self.config.real, planned=self.config.planned)
        self._recorder = RecorderClient(self, self.wait)
        self._hand_back = self.create_client(Trigger, 'control/hand_back')
        self._spoken = self.create_publisher(String, 'operator', qos.WORD)
        self.create_subscription(String, 'operator', self._on_word, qos.WORD)
        self.create_subscription(msg.ControlStatus, 'control_status', self._on_status, qos.EVENT)
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
        while session.stage is not Stage.OVER:
            self._record_all(session, plan)
            self._recorder.settle()
            self._count_unwritten(session)
        return 0

    def close(self) -> None:
        """Release everything."""
        self._executor.remove_node(self)
        self.destroy_node()

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Spin until the condition holds; return whether it does within `timeout_s`."""
        limit = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < limit:
            self._executor.spin_once(timeout_sec=0.05)
        return condition()

    # --- without a recording ------------------------------------------------------------------

    def _free(self) -> int:
        """Set the scene, let it run, and set it again when a person says redo."""
        seed, word = self.config.seed, 'redo'
        while word != 'quit':
            if word == 'redo':
                planned, = self._plan(1, seed)
                self._set_scene(planned)
                if self.config.policy and self.config.real and not self._await_start(planned):
                    return 0
                self._scene.run()
                tell('free', task=planned.task, instruction=planned.instruction)
                seed += 1
            self.wait(lambda: bool(self._words), 0.2)
            self._scene.check(stall=False)
            word = self._words.popleft() if self._words else ''
            if self.config.hands_free and self._scene.over:
                tell('verdict', success=self._scene.outcome.success, reason=self._scene.reason)
                word = 'quit'
        return 0

    def _await_start(self, planned: PlannedEpisode) -> bool:
        """Wait for a start, since a policy will move an arm; return False for quit."""
        tell('ready', number=1, count=1, task=planned.task, instruction=planned.instruction)
        while True:
            self.wait(lambda: bool(self._words), 0.2)
            word = self._words.popleft() if self._words else ''
            if word in ('start', 'quit'):
                return word == 'start'

    # --- episodes -----------------------------------------------------------------------------

    def _record_all(self, session: RecordingSession, plan: Sequence[PlannedEpisode]) -> None:
        again = False
        while session.stage is not Stage.OVER:
            planned = plan[session.kept]
            self._set_scene(planned)
            tell('ready', number=session.kept + 1, count=session.wanted, task=planned.task,
                 instruction=planned.instruction)
            if again or self.config.hands_free:
                self._words.append('start')
            again = self._record(session, planned)
            self._count_unwritten(session)

    def _count_unwritten(self, session: RecordingSession) -> None:
        """Take back what the disk or the format refused, and say so."""
        lost = self._recorder.unwritten()
        if lost:
            session.unkeep(lost)
            self._complain(f'{lost} kept could not be written (see the recorder in the log)')

    def _complain(self, text: str) -> None:
        """Tell the person; where nobody is there, give up."""
        if self.config.hands_free:
            raise VlaError(text)
        tell('said', text=text)

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
                self._recorder.drop()
                self._scene.pause()
                tell('dropped', how=act.deed.value)
                session.lose()  # until the scene is set
                return act.deed is Deed.REDO
            elif act.deed is Deed.QUIT:
                return False

    def _next_act(self, session: RecordingSession) -> Act | None:
        """Wait a moment for a word, the simulator's verdict, or a recorder that is lost."""
        recording = session.stage is Stage.RECORDING
        self.wait(lambda: bool(self._words) or (recording and self._scene.over), 0.2)
        if recording and self._scene.over:
            return session.judge(self._scene.outcome.success)
        if recording:
            self._scene.check()
            if self._recorder.lost:
                tell('lost', text='the recorder does not record: this episode is lost')
                return Act(Deed.DISCARD)
            if ended := self._scene.planners_end():
                tell('said', text=ended)
        if not self._words:
            return None
        act = session.hear(self._words.popleft())
        if isinstance(act, str):
            tell('said', text=act)
            return None
        return act

    def _begin(self, planned: PlannedEpisode) -> bool:
        answer = self._recorder.begin(planned, self._scene.episode_id)
        if not answer.success:
            self._complain(answer.message)
            return False
        tell('recording', episode=answer.episode_id)
        self._scene.run()
        return True

    def _freeze(self, session: RecordingSession) -> None:
        self._recorder.freeze()
        self._scene.pause()
        tell('review', text=_JUDGED[session.verdict], reason=self._scene.reason)
        if self.config.hands_free:
            self._words.append('keep')

    def _keep(self, session: RecordingSession, act: Act) -> None:
        answer = self._recorder.keep(act.success, self._scene.reason)
        self._scene.pause()
        if answer.success:
            tell('kept', number=session.kept, success=act.success, episode=answer.episode_id)
        else:
            session.unkeep()
            tell('lost', text=f'this episode is lost: {answer.message}')

    # --- the plan -----------------------------------------------------------------------------

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
        # Each episode is the policy's to begin with, where there is one.
        self._spoken.publish(String(data='hand_back' if self.config.policy else 'renew'))
        task_s = TIMEOUT_S if self.config.scene == BOWL else TABLE_TIMEOUT_S
        self._scene.set(planned, task_s if self.config.hands_free else 0.0)
        if self.config.policy:  # also where the device is gone
            call(self._hand_back, Trigger.Request(), self.wait)
        hurried = [word for word in self._words if word == 'quit']
        self._words.clear()  # what was said of the last scene
        self._words.extend(hurried)

    # --- topics -------------------------------------------------------------------------------

    def _on_word(self, message: String) -> None:
        if message.data not in STEERING:  # those are the teleop node's
            self._words.append(message.data)

    def _on_status(self, message: msg.ControlStatus) -> None:
        shown = (message.mode, message.source, _NUMBER.sub('#', message.reason))
        if shown != self._shown:
            self._shown = shown
            tell('mode', mode=Mode(message.mode).name, source=message.source,
                 reason=message.reason)


def main() -> int:
    """Run the session to its end."""
    return run_to_end(OperatorNode, 'operator')


if __name__ == '__main__':
    sys.exit(main())
