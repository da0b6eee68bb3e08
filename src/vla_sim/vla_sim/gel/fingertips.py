"""The touch of a robot's hand in PyBullet: what is on each pad, how hard, and the wrench.

Pads are where the fingers' inner faces meet the tool point. The gel is taken to carry the whole
normal force between its finger and a thing, also where the rigid faces overlap beyond it.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from vla_core.errors import InvalidDataError
from vla_core.geometry import compose, inverse, matrix_to_quat, quat_to_matrix, rotate
from vla_core.spec import RobotSpec
from vla_sim.engine import pybullet
from vla_sim.gel.contact import Contact, contacts_of
from vla_sim.gel.shape import Box, Shape, Sphere
from vla_sim.gel.skin import BARE, Skin
from vla_sim.gel.touch import Press, Touch

FINGERS = ('left', 'right')  # in the order of the spec's gripper joints
_AXIS, _PARENT = 13, 16  # indices into PyBullet's joint info


class Fingertips:
    """Reads one physics client; made anew whenever its bodies are."""

    def __init__(
        self, client: int, robot: int, spec: RobotSpec, skins: Mapping[int, Skin]
    ) -> None:
        """Find the pads of body `robot`; `skins` says by body what is not bare and rigid."""
        self._client, self._robot, self._skins = client, robot, skins
        joints, links = self._indices()
        self._fingers = [joints[name] for name in spec.gripper.joints]
        self._tool = links[spec.tool_frame]
        hand = pybullet.getJointInfo(robot, self._fingers[0], physicsClientId=client)[_PARENT]
        self._hand = (hand, *self._fingers)
        self._shapes: dict[tuple[int, int], list[Shape]] = {}  # in the link's inertial frame
        self._pads = [self._pad(finger) for finger in self._fingers]

    def presses(self) -> dict[str, Press]:
        """Return by finger what its pad feels now."""
        return {name: self._press(link, pad)
                for name, link, pad in zip(FINGERS, self._fingers, self._pads, strict=True)}

    def forces(self) -> dict[str, float]:
        """Return by finger the summed normal force on it [N]."""
        return {
            name: sum(contact.force for contact in self._contacts(link))
            for name, link in zip(FINGERS, self._fingers, strict=True)}

    def wrench(self) -> np.ndarray:
        """Return (6,) force [N] and torque [Nm] of the contacts on hand and fingers.

        At the tool point and in the tool's frame, as a force-torque sensor reads it that was
        tared without a load: the weight of what is held is in it, that of the fingers not.
        """
        T_tool_base = inverse(self._frame(self._tool))
        force, torque = np.zeros(3), np.zeros(3)
        tool = self._frame(self._tool)[:3]
        for link in self._hand:
            for contact in self._contacts(link):
                force += contact.vector
                torque += np.cross(contact.position - tool, contact.vector)
        turn = T_tool_base[3:]
        return np.concatenate([rotate(turn, force), rotate(turn, torque)])

    def _press(self, link: int, T_link_pad: np.ndarray) -> Press:
        pad = compose(self._inertial(self._robot, link), T_link_pad)
        x, y, _ = quat_to_matrix(pad[3:]).T
        touches = []
        for (body, part), group in _by_link(self._contacts(link)).items():
            push = sum((contact.friction for contact in group), np.zeros(3))
            touches.append(Touch(
                shapes=self._placed(body, part), force=sum(contact.force for contact in group),
                stiffness=self._skins.get(body, BARE).stiffness,
                shear=(float(push @ x), float(push @ y))))
        return Press(pad, tuple(touches))

    def _contacts(self, link: int) -> list[Contact]:
        return contacts_of(self._client, self._robot, link)

    def _placed(self, body: int, link: int) -> tuple[Shape, ...]:
        """Return the shapes of a link where they are now, in the base frame."""
        if (body, link) not in self._shapes:
            self._shapes[body, link] = self._read_shapes(body, link)
        frame = self._inertial(body, link)
        return tuple(replace(shape, pose=compose(frame, shape.pose))
                     for shape in self._shapes[body, link])

    def _read_shapes(self, body: int, link: int) -> list[Shape]:
        skin = self._skins.get(body, BARE)
        shapes = []
        for data in pybullet.getCollisionShapeData(body, link, physicsClientId=self._client):
            kind, size, pose = data[2], data[3], np.array([*data[5], *data[6]])
            if kind == pybullet.GEOM_BOX:
                shapes.append(Box(
                    pose, tuple(0.5 * side for side in size), skin.edge_radius, skin.relief))
            elif kind == pybullet.GEOM_SPHERE:
                shapes.append(Sphere(pose, size[0]))
            else:
                raise InvalidDataError(
                    f'body {body}, link {link}: got geometry type {kind}, allowed boxes '
                    f'({pybullet.GEOM_BOX}) and spheres ({pybullet.GEOM_SPHERE}) under a gel')
        return shapes

    def _pad(self, finger: int) -> np.ndarray:
        """Return the (7,) pose of a finger's pad in the finger's inertial frame.

        z is the inner face's normal, y points along the tool to the finger's end.
        """
        axis = pybullet.getJointInfo(self._robot, finger, physicsClientId=self._client)[_AXIS]
        T_inertial_link = compose(inverse(self._inertial(self._robot, finger)),
                                  self._frame(finger))
        T_link_tool = compose(inverse(self._frame(finger)), self._frame(self._tool))
        T_inertial_tool = compose(T_inertial_link, T_link_tool)
        normal = -rotate(T_inertial_link[3:], np.array(axis))
        along = quat_to_matrix(T_inertial_tool[3:])[:, 2]
        face = max(
            float(shape.pose[:3] @ normal)
            + float(np.abs(quat_to_matrix(shape.pose[3:]).T @ normal) @ shape.half)
            for shape in self._read_shapes(self._robot, finger))
        middle = T_inertial_tool[:3] + (face - T_inertial_tool[:3] @ normal) * normal
        turn = np.stack([np.cross(along, normal), along, normal], axis=1)
        return np.concatenate([middle, matrix_to_quat(turn)])

    def _frame(self, link: int) -> np.ndarray:
        """Return the (7,) pose of a link of the robot."""
        state = pybullet.getLinkState(
            self._robot, link, computeForwardKinematics=1, physicsClientId=self._client)
        return np.array([*state[4], *state[5]])

    def _inertial(self, body: int, link: int) -> np.ndarray:
        """Return the (7,) pose of a link's inertial frame, in which PyBullet places shapes."""
        if link == -1:
            position, turn = pybullet.getBasePositionAndOrientation(
                body, physicsClientId=self._client)
        else:
            position, turn = pybullet.getLinkState(
                body, link, computeForwardKinematics=1, physicsClientId=self._client)[:2]
        return np.array([*position, *turn])

    def _indices(self) -> tuple[dict[str, int], dict[str, int]]:
        joints, links = {}, {}
        for index in range(pybullet.getNumJoints(self._robot, physicsClientId=self._client)):
            info = pybullet.getJointInfo(self._robot, index, physicsClientId=self._client)
            joints[info[1].decode()], links[info[12].decode()] = index, index
        return joints, links


def _by_link(contacts: list[Contact]) -> dict[tuple[int, int], list[Contact]]:
    groups: dict[tuple[int, int], list[Contact]] = {}
    for contact in contacts:
        groups.setdefault((contact.body, contact.link), []).append(contact)
    return groups
