"""Which streams of an episode the messages of a robot's topics carry."""

from vla_core.episode import (
    ACTION_PROPOSED,
    GRIPPER,
    JOINT_POSITION,
    JOINT_VELOCITY,
    PROGRESS,
    WRENCH,
)
from vla_core.spec import RobotSpec
from vla_core.types import ACTION_DIM
from vla_recorder.bag.fields import Take
from vla_recorder.recording.acted import CONTROL_MODE
from vla_recorder.recording.raw_channels import Channel


def takes_of_channel(robot: RobotSpec, channel: Channel) -> tuple[Take, ...]:
    """Return the streams in the messages of a channel; none for what is kept as it came."""
    if channel.stream:
        return (Take(channel.stream, (), '|u1'),)
    if channel.topic == 'joint_states':
        return _joints(robot)
    if channel.topic == 'wrench':
        return (Take(WRENCH, ('wrench',), shape=(6,)),)
    if channel.topic == 'action_chunk':
        return (Take(ACTION_PROPOSED, ('values',), '<f4', indices=tuple(range(ACTION_DIM))),
                Take(PROGRESS, ('progress',), '<f4', shape=()))
    if channel.topic == 'control_status':
        return (Take(CONTROL_MODE, ('mode',), '|u1', shape=()),)
    return ()


def _joints(robot: RobotSpec) -> tuple[Take, ...]:
    """Return arm and gripper; the fingers of a gripper move alike, so the first one tells."""
    arm, fingers = robot.joints.names, robot.gripper.joints
    return (
        Take(JOINT_POSITION, ('position',), shape=(len(arm),), names=arm),
        Take(JOINT_VELOCITY, ('velocity',), shape=(len(arm),), names=arm),
        Take(GRIPPER, ('position',), shape=(), names=fingers[:1],
             scale=(len(fingers) / robot.gripper.open_m,)))
