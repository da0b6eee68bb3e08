"""The node in the simulator's place: a bag's messages and ticks out, what the suite says in."""

from collections.abc import Callable
import json
from pathlib import Path
import sys
import time

from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock
from vla_bringup.instruction_node import InstructionClient
from vla_bringup.readiness_node import await_active
from vla_bringup.replay.golden import Recording, save
from vla_bringup.replay.identity import Identity
from vla_bringup.replay.moment import Moment
from vla_bringup.replay.run import open_source
from vla_bringup.replay.script import Said, Script, ScriptBuilder
from vla_bringup.replay.sensors import sensors_of
from vla_bringup.replay_player_node import (
    Answers,
    message_class,
    NODES,
    Player,
    profile_of,
    run_player,
)
from vla_bringup.session_node import tell
from vla_core.errors import VlaError
from vla_core.ros import qos
from vla_core.ros.arrays import to_time
from vla_core.ros.convert import to_msg
from vla_core.ros.lockstep import PLANNER, POLICY
from vla_core.types import Tick
from vla_interfaces import msg

_TELL_S = 0.5  # between two words about the progress


class ReplayNode(Player):
    """Sends the steps of a script, each ahead of the policy's answer to the one before."""

    def __init__(self) -> None:
        super().__init__()
        self._script: Script = ScriptBuilder(open_source(self.config.replay)).build()
        self._source = self._script.source
        self._answers = Answers(self)
        self._instructions = InstructionClient(self)
        self._sensors = {
            topic: self.create_publisher(message_class(channel), topic, profile_of(channel))
            for topic, channel in sensors_of(
                self._script.robot, touch=self._source.touch).items()}
        self._ticks = self.create_publisher(msg.Tick, 'tick', qos.EVENT)
        self._clock_out = self.create_publisher(Clock, 'clock', qos.SENSOR_RELIABLE)
        self._sent = 0  # sensor messages

    def play(self) -> int:
        """Replay to the last step or the planner's end; return the exit code."""
        tell('waiting', text='the nodes come up')
        await_active(self, self.wait, NODES, self.config.ready_s)
        self._await_matched()
        self._instructions.send(self._source.instruction, self.wait)
        steps, moments, end = self._script.steps, [], ''
        self._send(self._script.latched)
        self._send(steps[0].messages)
        began = told = time.monotonic()
        self._tick(0)
        for number in range(len(steps)):
            self._observe(number)
            if number:
                moments.append(self._moment(number - 1))
            if number == 1:
                began = time.monotonic()
            if not self._ask_planner(number):
                end = self._planner_end()
                break
            if number + 1 < len(steps):
                self._tick(number + 1)
            if time.monotonic() - told > _TELL_S:
                told = time.monotonic()
                tell('step', number=number + 1, count=len(steps))
        moments.append(self._moment(number))
        wall_s = time.monotonic() - began
        identity = Identity(**json.loads(self.config.identity))
        save(Path(self.config.out), Recording(identity, tuple(moments), end))
        tell('done', steps=len(moments), wall_s=wall_s)
        return 0

    def close(self) -> None:
        """Close the bag."""
        self._source.close()
        super().close()

    # --- one step: its tick and observation while the policy thinks about the one before ------

    def _tick(self, number: int) -> None:
        stamp = self._script.steps[number].stamp_ns
        self._clock_out.publish(Clock(clock=to_time(stamp)))
        self._ticks.publish(to_msg(
            Tick(stamp, number, self._source.episode_id, observe=True, messages=self._sent)))

    def _observe(self, number: int) -> None:
        """Wait for the observation; only then is sent what the next step sees."""
        step, following = self._script.steps[number], self._script.steps[number + 1:number + 2]
        ahead = [(said.topic, self._source.read(said.place))
                 for later in following for said in later.messages]
        self._need(lambda: self._answers.observations.get(step.stamp_ns) is not None,
                   'perception', number)
        for topic, data in ahead:
            self._publish(topic, data)

    def _ask_planner(self, number: int) -> bool:
        """Wait for the planner's word; return False at the end of the instruction."""
        stamp = self._script.steps[number].stamp_ns
        self._need(lambda: self._answers.done(PLANNER, stamp), PLANNER, number)
        return bool(self._answers.acks[PLANNER].get(stamp).sent)

    def _moment(self, number: int) -> Moment:
        stamp = self._script.steps[number].stamp_ns
        self._need(lambda: self._answers.done(POLICY, stamp), POLICY, number)
        return self._answers.moment(stamp)

    def _need(self, condition: Callable[[], bool], name: str, number: int) -> None:
        if not self.wait(condition, self.config.stall_s):
            raise VlaError(
                f'replay: step {number}: got nothing from {name} for {self.config.stall_s:g} s')

    def _send(self, messages: tuple[Said, ...]) -> None:
        for said in messages:
            self._publish(said.topic, self._source.read(said.place))

    def _publish(self, topic: str, data: bytes) -> None:
        self._sensors[topic].publish(data)
        self._sent += 1

    def _planner_end(self) -> str:
        self.wait(lambda: self._instructions.result is not None, 2.0)
        result = self._instructions.result
        return 'the planner said nothing' if result is None else result.message

    def _await_matched(self) -> None:
        """Wait until perception hears every topic: a message before that would be lost."""
        def deaf() -> list[Publisher]:
            return [one for one in (*self._sensors.values(), self._ticks)
                    if not one.get_subscription_count()]
        if not self.wait(lambda: not deaf(), self.config.ready_s):
            raise VlaError(f'replay: nobody listens to {deaf()[0].topic_name} '
                           f'within {self.config.ready_s:g} s')


def main() -> int:
    """Replay a bag."""
    return run_player(ReplayNode)


if __name__ == '__main__':
    sys.exit(main())
