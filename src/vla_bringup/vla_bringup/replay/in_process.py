"""A script through perception, planner and policy in one process, without ROS."""

from collections.abc import Iterator
import time

from vla_bringup.replay.golden import Recording
from vla_bringup.replay.identity import Identity
from vla_bringup.replay.moment import Moment, moment_of
from vla_bringup.replay.script import listener, Script
from vla_core.protocols import Planner, Policy
from vla_core.types import Done, Observation
from vla_planner.session import ExecuteSession
from vla_policy.session import PolicySession


def observe(script: Script) -> Iterator[Observation]:
    """Yield the observation of every step, as perception in lockstep makes it."""
    assembler, ear = listener(script.robot, script.source.touch)
    assembler.on_episode(script.source.episode_id)
    for said in script.latched:
        ear.hear(said.topic, script.source.read(said.place))
    for step in script.steps:
        for said in step.messages:
            ear.hear(said.topic, script.source.read(said.place))
        yield assembler.assemble(step.stamp_ns)


def run(script: Script, planner: Planner, policy: Policy, identity: Identity) -> Recording:
    """Return what came of every step, to the last one or the planner's end."""
    session = ExecuteSession(planner, script.source.instruction)
    answers = PolicySession(policy, script.robot.policy.step_hz, absolute=False)
    moments: list[Moment] = []
    began = time.perf_counter()
    for observation in observe(script):
        word = session.on_observation(observation)
        answers.see(observation)
        if isinstance(word, Done):
            moments.append(moment_of(observation, None, None))
            return Recording(identity, tuple(moments), word.message,
                             time.perf_counter() - began)
        chunk = answers.answer(observation, word)
        moments.append(moment_of(observation, word, chunk))
        if len(moments) == 1:
            began = time.perf_counter()
        session.on_chunk(chunk)
    return Recording(identity, tuple(moments), '', time.perf_counter() - began)
