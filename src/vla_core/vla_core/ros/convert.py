"""Every value of vla_core.types as its message and back; float64 fields survive bit for bit."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from vla_core import types
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.ros.arrays import (
    fast,
    floats,
    from_image,
    from_pose,
    from_time,
    from_wrench,
    header,
    to_image,
    to_pose,
    to_wrench,
)
from vla_core.ros.lockstep import Ack
from vla_interfaces import msg


def to_msg(value: Any, frame: str = '') -> Any:
    """Return the message that mirrors a value; `frame` is its header's frame_id."""
    if type(value) not in _TO:
        raise UnknownNameError('type', type(value).__name__, [kind.__name__ for kind in _TO])
    return _TO[type(value)](value, frame)


def from_msg(message: Any) -> Any:
    """Return the value a message mirrors; raise a VlaError for a malformed one."""
    if type(message) not in _FROM:
        raise UnknownNameError(
            'message', type(message).__name__, [kind.__name__ for kind in _FROM])
    return _FROM[type(message)](message)


def _observation_to(value: types.Observation, frame: str) -> msg.Observation:
    def pictures(images: Mapping[str, np.ndarray]) -> list:
        return [to_image(image, value.stamp_ns) for image in images.values()]

    wrench = [] if value.wrench is None else [to_wrench(value.wrench)]
    return msg.Observation(
        header=header(value.stamp_ns, frame), episode_id=value.episode_id,
        camera_names=list(value.images), images=pictures(value.images),
        depth_names=list(value.depth), depth=pictures(value.depth),
        tactile_names=list(value.tactile), tactile=pictures(value.tactile),
        wrench=wrench, joint_position=fast(value.joint_position, 'd'),
        joint_velocity=fast(value.joint_velocity, 'd'), tool_pose=to_pose(value.tool_pose),
        gripper=float(value.gripper),
        ages=[msg.StreamAge(name=name, age_s=float(age)) for name, age in value.age_s.items()])


def _observation_from(message: msg.Observation) -> types.Observation:
    return types.Observation(
        stamp_ns=from_time(message.header.stamp), episode_id=message.episode_id,
        images=_named('images', message.camera_names, message.images, from_image),
        depth=_named('depth', message.depth_names, message.depth, from_image),
        tactile=_named('tactile', message.tactile_names, message.tactile, from_image),
        wrench=from_wrench(message.wrench[0]) if message.wrench else None,
        joint_position=floats(message.joint_position),
        joint_velocity=floats(message.joint_velocity),
        tool_pose=from_pose(message.tool_pose), gripper=message.gripper,
        age_s={age.name: age.age_s for age in message.ages})


def _chunk_to(value: types.ActionChunk, frame: str) -> msg.ActionChunk:
    rows, columns = value.values.shape
    return msg.ActionChunk(
        header=header(value.stamp_ns, frame), sequence=value.sequence,
        episode_id=value.episode_id, subtask_id=value.subtask_id, source=value.source,
        representation=value.representation.value, step_s=float(value.step_s), rows=rows,
        columns=columns, values=fast(value.values, 'f'), progress=float(value.progress),
        inference_s=float(value.inference_s))


def _chunk_from(message: msg.ActionChunk) -> types.ActionChunk:
    known = [kind.value for kind in types.Representation]
    if message.representation not in known:
        raise UnknownNameError('representation', message.representation, known)
    if message.rows * message.columns != len(message.values):
        raise InvalidDataError(
            f'chunk {message.sequence}: got {len(message.values)} values, '
            f'allowed {message.rows} rows of {message.columns}')
    values = np.array(message.values, dtype=np.float32).reshape(message.rows, message.columns)
    return types.ActionChunk(
        stamp_ns=from_time(message.header.stamp), sequence=message.sequence,
        episode_id=message.episode_id, subtask_id=message.subtask_id, source=message.source,
        representation=types.Representation(message.representation), step_s=message.step_s,
        values=values, progress=message.progress, inference_s=message.inference_s)


def _subtask_to(value: types.Subtask, frame: str) -> msg.Subtask:
    return msg.Subtask(
        header=header(value.stamp_ns, frame), subtask_id=value.subtask_id,
        episode_id=value.episode_id, instruction=value.instruction, text=value.text,
        reasoning=value.reasoning, index=value.index, count=value.count,
        ttl_s=float(value.ttl_s))


def _subtask_from(message: msg.Subtask) -> types.Subtask:
    return types.Subtask(
        subtask_id=message.subtask_id, episode_id=message.episode_id,
        instruction=message.instruction, text=message.text, reasoning=message.reasoning,
        index=message.index, count=message.count, ttl_s=message.ttl_s,
        stamp_ns=from_time(message.header.stamp))


def _status_to(value: types.ControlStatus, frame: str) -> msg.ControlStatus:
    return msg.ControlStatus(
        header=header(value.stamp_ns, frame), mode=int(value.mode), reason=value.reason[:512],
        source=value.source)


def _status_from(message: msg.ControlStatus) -> types.ControlStatus:
    known = [int(mode) for mode in types.Mode]
    if message.mode not in known:
        raise InvalidDataError(f'control mode: got {message.mode}, allowed {known}')
    return types.ControlStatus(
        stamp_ns=from_time(message.header.stamp), mode=types.Mode(message.mode),
        reason=message.reason, source=message.source)


def _tick_to(value: types.Tick, frame: str) -> msg.Tick:
    return msg.Tick(header=header(value.stamp_ns, frame), tick=value.tick,
                    episode_id=value.episode_id, observe=value.observe,
                    messages=value.messages)


def _tick_from(message: msg.Tick) -> types.Tick:
    return types.Tick(stamp_ns=from_time(message.header.stamp), tick=message.tick,
                      episode_id=message.episode_id, observe=message.observe,
                      messages=message.messages)


def _ack_to(value: Ack, frame: str) -> msg.TickAck:
    return msg.TickAck(header=header(value.stamp_ns, frame), tick=value.tick,
                       episode_id=value.episode_id, node=value.node, sent=value.sent)


def _ack_from(message: msg.TickAck) -> Ack:
    return Ack(stamp_ns=from_time(message.header.stamp), tick=message.tick,
               episode_id=message.episode_id, node=message.node, sent=message.sent)


def _state_to(value: types.SimState, frame: str) -> msg.SimState:
    return msg.SimState(
        header=header(value.stamp_ns, frame), episode_id=value.episode_id, task=value.task,
        objects=[_object_to(value, name) for name in value.objects],
        joint_names=list(value.joints), joint_positions=fast(list(value.joints.values()), 'd'),
        tool_pose=to_pose(value.tool_pose), tool_target=to_pose(value.tool_target),
        gripper=float(value.gripper), gripper_target=float(value.gripper_target),
        contact_names=list(value.contacts),
        contact_forces=fast(list(value.contacts.values()), 'd'))


def _state_from(message: msg.SimState) -> types.SimState:
    return types.SimState(
        stamp_ns=from_time(message.header.stamp), episode_id=message.episode_id,
        task=message.task,
        objects={entry.name: from_pose(entry.pose) for entry in message.objects},
        joints=_named('joints', message.joint_names, message.joint_positions, float),
        tool_pose=from_pose(message.tool_pose), tool_target=from_pose(message.tool_target),
        gripper=message.gripper, gripper_target=message.gripper_target,
        contacts=_named('contacts', message.contact_names, message.contact_forces, float),
        speeds={entry.name: entry.speed for entry in message.objects if entry.free},
        touching={entry.name: tuple(entry.touching) for entry in message.objects if entry.free})


def _object_to(value: types.SimState, name: str) -> msg.ObjectPose:
    return msg.ObjectPose(
        name=name, pose=to_pose(value.objects[name]), free=name in value.touching,
        speed=float(value.speeds.get(name, 0.0)), touching=list(value.touching.get(name, ())))


def _outcome_to(value: types.TaskOutcome, frame: str) -> msg.TaskOutcome:
    return msg.TaskOutcome(
        header=header(value.stamp_ns, frame), episode_id=value.episode_id, task=value.task,
        success=bool(value.success), done=bool(value.done), reason=value.reason[:256],
        steps=value.steps)


def _outcome_from(message: msg.TaskOutcome) -> types.TaskOutcome:
    return types.TaskOutcome(
        stamp_ns=from_time(message.header.stamp), episode_id=message.episode_id,
        task=message.task, success=message.success, done=message.done, reason=message.reason,
        steps=message.steps)


def _named(
    what: str, names: list[str], entries: Any, decode: Callable[[Any], Any]
) -> dict[str, Any]:
    if len(names) != len(entries):
        raise InvalidDataError(
            f'{what}: got {len(entries)} values for {len(names)} names, allowed one a name')
    return {name: decode(entry) for name, entry in zip(names, entries, strict=True)}


_TO: dict[type, Callable[[Any, str], Any]] = {
    types.Observation: _observation_to, types.ActionChunk: _chunk_to,
    types.Subtask: _subtask_to, types.ControlStatus: _status_to, types.Tick: _tick_to,
    Ack: _ack_to, types.SimState: _state_to, types.TaskOutcome: _outcome_to,
}
_FROM: dict[type, Callable[[Any], Any]] = {
    msg.Observation: _observation_from, msg.ActionChunk: _chunk_from,
    msg.Subtask: _subtask_from, msg.ControlStatus: _status_from, msg.Tick: _tick_from,
    msg.TickAck: _ack_from, msg.SimState: _state_from, msg.TaskOutcome: _outcome_from,
}
