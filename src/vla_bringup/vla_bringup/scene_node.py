"""What an operator's session does to the scene and hears of it; an arm of its own has none."""

import time

from rclpy.node import Node
from std_srvs.srv import SetBool
from vla_bringup.instruction_node import InstructionClient
from vla_bringup.services_node import call, Wait
from vla_bringup.session import PlannedEpisode
from vla_core.errors import VlaError
from vla_core.ros import qos
from vla_core.ros.convert import from_msg
from vla_core.types import TaskOutcome
from vla_interfaces import msg
from vla_interfaces.srv import Reset

_STALLED_S = 60.0  # without a word of the simulator it stands still


class Scene:
    """Sets the scene, lets it run and stand, and has the planner ask for the task meanwhile."""

    def __init__(self, node: Node, wait: Wait, *, real: bool, planned: bool) -> None:
        self.outcome: TaskOutcome | None = None  # of the scene that is set
        self.episode_id = ''
        self._real, self._wait = real, wait
        self._heard_s = 0.0  # when the simulator said last how it goes [s]
        self._resets = node.create_client(Reset, 'reset')
        self._runs = node.create_client(SetBool, 'run')
        self._instructions = InstructionClient(node) if planned else None
        self._asking, self._instruction = False, ''
        node.create_subscription(msg.TaskOutcome, 'task_outcome', self._on_outcome, qos.SET_POINT)

    @property
    def over(self) -> bool:
        """Whether the simulator has judged the task."""
        return bool(self.outcome and self.outcome.done)

    @property
    def reason(self) -> str:
        """Why it is over; empty while it is not."""
        return self.outcome.reason if self.over else ''

    def set(self, planned: PlannedEpisode, timeout_s: float) -> None:
        """Set the scene, which stands still."""
        self.outcome, self.episode_id, self._instruction = None, '', planned.instruction
        if not self._real:
            answer = call(self._resets, Reset.Request(
                seed=planned.seed, task=planned.task, hold=True, timeout_s=timeout_s), self._wait)
            if not answer.success:
                raise VlaError(f'reset: {answer.message}')
            self.outcome, self.episode_id = None, answer.episode_id

    def run(self) -> None:
        """Let the scene run, and only now the planner ask: an arm may move from here on."""
        self._heard_s = time.monotonic()
        if self._instructions is not None:
            self._instructions.send(self._instruction, self._wait)
            self._asking = True
        self._let_run(True)

    def pause(self) -> None:
        """Let the scene stand still, and the planner ask for nothing more."""
        self._let_run(False)
        if self._instructions is not None:
            self._asking = False
            self._instructions.cancel(self._wait)

    def check(self, *, stall: bool = True) -> None:
        """Instruct a planner that came back; raise VlaError where the simulated time stands still.

        Call it while the scene should run.
        """
        if self._instructions is not None and self._asking:
            self._instructions.keep(self._instruction)
        if stall and not self._real and time.monotonic() - self._heard_s > _STALLED_S:
            raise VlaError(f'the simulation stood still for {_STALLED_S:g} s, allowed progress')

    def planners_end(self) -> str:
        """Return, once, why the planner asks for nothing more; '' while it asks."""
        ended = self._instructions.result if self._instructions is not None else None
        if ended is None or not self._asking:
            return ''
        self._asking = False
        return f'planner: {ended.message}'

    def _let_run(self, running: bool) -> None:
        if not self._real:
            call(self._runs, SetBool.Request(data=running), self._wait)

    def _on_outcome(self, message: msg.TaskOutcome) -> None:
        outcome = from_msg(message)
        self._heard_s = time.monotonic()
        if outcome.episode_id == self.episode_id:
            self.outcome = outcome
