"""The client of a run: one episode after another, a row each, a video and a sheet at the end."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
import json
from pathlib import Path
import signal
import sys
import time
from typing import Any

from lifecycle_msgs.srv import GetState
import rclpy
from rclpy.experimental.events_executor import EventsExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool
from vla_bringup.instruction_node import InstructionClient
from vla_bringup.readiness_node import await_active, is_active
from vla_bringup.report import write_json
from vla_bringup.session import (
    make_row,
    plan_episodes,
    PlannedEpisode,
    Row,
    summarise,
    TABLE_TIMEOUT_S,
    tasks_of,
    TIMEOUT_S,
)
from vla_bringup.video import RunVideo
from vla_core.errors import VlaError
from vla_core.ros import qos
from vla_core.ros.arrays import from_image
from vla_core.ros.convert import from_msg
from vla_core.ros.params import about, declare
from vla_core.spec import load_robot
from vla_core.types import Mode, TaskOutcome
from vla_interfaces import msg
from vla_interfaces.srv import Reset
from vla_planner.language import parse
from vla_sim.catalogue import BOWL, find_scene

_STALLED_S = 60.0  # steady time without a word of the simulator that ends an episode
_NODES = ('sim', 'perception', 'planner', 'policy', 'control')


@dataclass(frozen=True)
class SessionConfig:
    """Parameters of the session."""

    robot: str = field(default='panda', metadata=about('robot spec'))
    scene: str = field(default='bowl', metadata=about('scene whose tasks are run'))
    policy: str = field(default='default', metadata=about('name of the policy, for the results'))
    instruction: str = field(default='', metadata=about('sentence; empty draws tasks by the seed'))
    episodes: int = field(default=3, metadata=about('episodes to run', 1, 1_000_000))
    seed: int = field(default=0, metadata=about('seed of the first episode', 0, 2**53))
    rotate: bool = field(default=True, metadata=about('tasks in rotation, or drawn by the seed'))
    timeout_s: float = field(
        default=0.0, metadata=about('simulated time of an episode [s]; 0: default', 0.0, 3600.0))
    ready_s: float = field(
        default=120.0, metadata=about('wait so long for the graph [s]', 1.0, 3600.0))
    run: str = field(default='runs/latest', metadata=about('folder for video and results'))
    record: str = field(default='', metadata=about('data set of the recorder; empty: none'))
    command: str = field(default='', metadata=about('what the user typed, for the results'))


class SessionNode(Node):
    """Reset, instruct, run, and wait for the simulator's verdict, episode by episode."""

    def __init__(self) -> None:
        super().__init__('session')
        self.config = declare(self, SessionConfig)
        spec = load_robot(self.config.robot)
        self._step_s = spec.policy.step_s
        self._task_s = TIMEOUT_S if self.config.scene == BOWL else TABLE_TIMEOUT_S
        self._outcome: TaskOutcome | None = None
        self._heard_s = time.monotonic()
        self._filming = False
        self._run = Path(self.config.run)
        self._run.mkdir(parents=True, exist_ok=True)
        self._video = RunVideo(self._run / 'video.mp4', spec.policy.step_hz)
        self._resets = self.create_client(Reset, 'reset')
        self._runs = self.create_client(SetBool, 'run')
        self._recorder = self.create_client(GetState, 'recorder/get_state')
        self._instructions = InstructionClient(self)
        self.create_subscription(msg.TaskOutcome, 'task_outcome', self._on_outcome, qos.EVENT)
        self.create_subscription(msg.ControlStatus, 'control_status', self._on_status, qos.EVENT)
        self.create_subscription(Image, 'static/image', self._on_image, qos.SENSOR_RELIABLE)
        self._executor = EventsExecutor()
        self._executor.add_node(self)
        self._mode = Mode.HOLD
        self.rows: list[Row] = []

    def play(self) -> int:
        """Run every planned episode; return the exit code."""
        config = self.config
        plan = plan_episodes(
            config.episodes, config.seed, config.instruction, rotate=config.rotate,
            judge=self._judge, tasks=tuple(find_scene(config.scene).tasks))
        tell('waiting', text='the graph comes up')
        await_active(self, self.wait, [*_NODES, *(['recorder'] if config.record else [])],
                     config.ready_s)
        for number, planned in enumerate(plan):
            self._await_recorder()
            tell('episode', number=number + 1, count=len(plan), **asdict(planned))
            self._video.begin(f'{planned.task or "free"} {planned.seed}')
            row = self._episode(planned)
            self._video.end(row.success, 'success' if row.success else row.reason)
            self.rows.append(row)
            tell('row', **asdict(row))
            self.save()
        return 0

    def _await_recorder(self) -> None:
        """Wait for a recorder that died and comes back: an episode nobody records is lost."""
        if not self.config.record or is_active(self._recorder, self.wait):
            return
        tell('waiting', text='the recorder comes back')
        await_active(self, self.wait, ['recorder'], self.config.ready_s)

    def _judge(self, sentence: str) -> list[str]:
        """Return the tasks that a sentence asks for, in order."""
        if self.config.scene == BOWL:
            return [step.task for step in parse(sentence).steps]
        return tasks_of(sentence, tuple(find_scene(self.config.scene).tasks))

    def save(self) -> None:
        """Write the results so far."""
        write_json(self._run / 'result.json', summarise(
            self.rows, self.config.policy, self.config.command))

    def close(self) -> None:
        """Finish video and contact sheet."""
        self._video.close(self._run / 'contact_sheet.png')
        self._executor.remove_node(self)
        self.destroy_node()

    # --- one episode --------------------------------------------------------------------------

    def _episode(self, planned: PlannedEpisode) -> Row:
        self._begin(planned)
        row = self._watch(planned)
        self._end()
        return row

    def _begin(self, planned: PlannedEpisode) -> None:
        answer = self._call(self._resets, Reset.Request(
            seed=planned.seed, task=planned.task, hold=True,
            timeout_s=self.config.timeout_s or self._task_s * planned.parts))
        if not answer.success:
            raise VlaError(f'reset: {answer.message}')
        self._outcome = None
        self._instructions.send(planned.instruction, self.wait)
        self._filming, self._heard_s = True, time.monotonic()
        self._call(self._runs, SetBool.Request(data=True))

    def _watch(self, planned: PlannedEpisode) -> Row:
        """Wait for the simulator's verdict, the planner's end, or a stall."""
        while time.monotonic() - self._heard_s < _STALLED_S:
            self.wait(lambda: self._outcome is not None and self._outcome.done, 0.2)
            outcome, ended = self._outcome, self._instructions.result
            done = outcome is not None and outcome.done
            if done and ended is None:  # the planner may have ended it a moment before
                self.wait(lambda: self._instructions.result or self._asked_to_the_end(), 1.0)
                ended = self._instructions.result
            if ended is not None and not (done and self._asked_to_the_end()):
                return self._row(
                    planned, success=ended.success and not planned.task, steps=self._asked(),
                    reason=f'planner: {ended.message}')
            if done:
                return self._row(planned, **self._verdict(outcome))
            self._instructions.keep(planned.instruction)
        return self._row(
            planned, success=False, reason=f'the simulation stood still for {_STALLED_S:g} s')

    def _verdict(self, outcome: TaskOutcome) -> dict:
        """Judge by the simulator; of a compound instruction every part must have been begun."""
        subtask = self._instructions.subtask
        if outcome.success and subtask is not None and subtask.index + 1 < subtask.count:
            return {'success': False,
                    'reason': f'part {subtask.index + 1} of {subtask.count} was not finished'}
        return {'success': outcome.success, 'reason': outcome.reason}

    def _asked(self) -> int:
        """Return how many policy steps the planner asked for; an episode it ends has no more."""
        outcome, subtask = self._outcome, self._instructions.subtask
        if outcome is None or subtask is None:
            return 0
        behind = round((outcome.stamp_ns - subtask.stamp_ns) * 1e-9 / self._step_s)
        return max(0, outcome.steps - behind + 1)

    def _asked_to_the_end(self) -> bool:
        return self._asked() >= self._outcome.steps

    def _row(
        self, planned: PlannedEpisode, *, success: bool, reason: str, steps: int | None = None
    ) -> Row:
        if steps is None:
            steps = self._outcome.steps if self._outcome else 0
        return make_row(
            planned, success=success, steps=steps, step_s=self._step_s, reason=reason)

    def _end(self) -> None:
        self._filming = False
        self._call(self._runs, SetBool.Request(data=False))
        self._instructions.cancel(self.wait)

    # --- topics and services ------------------------------------------------------------------

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Spin until the condition holds; return whether it does within `timeout_s`."""
        limit = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < limit:
            self._executor.spin_once(timeout_sec=0.05)
        return condition()

    def _call(self, client: rclpy.client.Client, request: object) -> object:
        if not client.wait_for_service(10.0):
            raise VlaError(f'{client.srv_name}: got no answer within 10 s, allowed a running sim')
        future = client.call_async(request)
        if not self.wait(future.done, 30.0):
            raise VlaError(f'{client.srv_name}: got no answer within 30 s')
        return future.result()

    def _on_outcome(self, message: msg.TaskOutcome) -> None:
        self._outcome = from_msg(message)
        self._heard_s = time.monotonic()

    def _on_status(self, message: msg.ControlStatus) -> None:
        if message.mode != self._mode:
            self._mode = message.mode
            tell('mode', mode=Mode(message.mode).name, reason=message.reason)

    def _on_image(self, message: Image) -> None:
        if self._filming:
            self._video.add(from_image(message).copy())


def tell(event: str, **fields: object) -> None:
    """Print one event as a JSON line."""
    print(json.dumps({'event': event, **fields}), flush=True)


def run_to_end(make: Callable[[], Any], name: str) -> int:
    """Make a node, let it play to its end and close it; return the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    session = None
    try:
        session = make()
        return session.play()
    except VlaError as error:
        print(f'{name}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        if session is not None:
            session.close()
        rclpy.try_shutdown()


def main() -> int:
    """Run the session to its end."""
    return run_to_end(SessionNode, 'session')


if __name__ == '__main__':
    sys.exit(main())
