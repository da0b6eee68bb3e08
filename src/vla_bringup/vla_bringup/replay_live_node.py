"""The node that listens to a replay in real time, where somebody else plays the bag."""

from dataclasses import replace
import json
from pathlib import Path
import sys
import time

from vla_bringup.instruction_node import InstructionClient
from vla_bringup.readiness_node import await_active
from vla_bringup.replay.golden import Recording, save
from vla_bringup.replay.identity import Identity
from vla_bringup.replay.moment import Moment, moment_of
from vla_bringup.replay.run import open_source
from vla_bringup.replay.script import ScriptBuilder
from vla_bringup.replay_player_node import Answers, NODES, Player, run_player
from vla_bringup.session_node import tell
from vla_core.errors import VlaError
from vla_core.ros import qos
from vla_core.ros.convert import to_msg
from vla_core.types import Tick
from vla_interfaces import msg

_SILENT_S = 5.0  # without an observation after the first one: the bag is over


class ReplayLiveNode(Player):
    """Instructs the planner, keeps what is seen and answered, and ends with the bag."""

    def __init__(self) -> None:
        super().__init__()
        self._script = ScriptBuilder(open_source(self.config.replay)).build()
        self._answers = Answers(
            self, capacity=len(self._script.steps) + 1, form=lambda o: moment_of(o, None, None))
        self._instructions = InstructionClient(self)
        self._ticks = self.create_publisher(msg.Tick, 'tick', qos.EVENT)

    def play(self) -> int:
        """Listen to the end of the bag; return the exit code."""
        source, steps = self._script.source, self._script.steps
        await_active(self, self.wait, NODES, self.config.ready_s)
        # Bags have no ticks, and only a tick tells perception of which episode it sees.
        self._ticks.publish(to_msg(Tick(0, 0, source.episode_id, observe=False)))
        self._instructions.send(source.instruction, self.wait)
        tell('waiting', text='ready: play the bag, e.g. ros2 bag play BAG --clock')
        if not self.wait(lambda: bool(self._answers.newest_ns), self.config.ready_s):
            raise VlaError(f'replay: nobody played the bag within {self.config.ready_s:g} s')
        began = time.monotonic()
        while self._answers.newest_ns < steps[-1].stamp_ns and self._heard():
            tell('step', number=len(self._answers.observations), count=len(steps))
        self.wait(lambda: self._answers.chunks.get(steps[-1].stamp_ns) is not None, 1.0)
        moments = [self._moment(step.stamp_ns) for step in steps
                   if self._answers.observations.get(step.stamp_ns) is not None]
        save(Path(self.config.out), Recording(
            Identity(**json.loads(self.config.identity)), tuple(moments)))
        tell('done', steps=len(moments), wall_s=time.monotonic() - began)
        return 0

    def close(self) -> None:
        """Close the bag."""
        self._script.source.close()
        super().close()

    def _heard(self) -> bool:
        """Wait for the next observation; return whether it came."""
        newest = self._answers.newest_ns
        return self.wait(lambda: self._answers.newest_ns != newest, _SILENT_S)

    def _moment(self, stamp_ns: int) -> Moment:
        answers = self._answers
        subtask, chunk = answers.subtasks.get(stamp_ns), answers.chunks.get(stamp_ns)
        return replace(
            answers.observations.get(stamp_ns), subtask='' if subtask is None else subtask.text,
            chunk=None if chunk is None else chunk.values,
            progress=0.0 if chunk is None else chunk.progress)


def main() -> int:
    """Listen to a bag that is played."""
    return run_player(ReplayLiveNode)


if __name__ == '__main__':
    sys.exit(main())
