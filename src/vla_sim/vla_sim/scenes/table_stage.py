"""The furniture of one episode at CALVIN's table, built from boxes."""

import numpy as np
from vla_sim.engine import pybullet
from vla_sim.gel.skin import Skin
from vla_sim.scenes import shapes
from vla_sim.scenes.shapes import Box
from vla_sim.scenes.table_layout import TableLayout
from vla_sim.scenes.table_measures import (
    BLOCKS,
    BUTTON_TOP,
    BUTTON_TRAVEL,
    CABINET_HALF,
    CABINET_X,
    DOOR_HANDLE,
    DOOR_TRAVEL,
    DRAWER_DEPTH,
    DRAWER_FLOOR,
    DRAWER_FRONT_X,
    DRAWER_HANDLE,
    DRAWER_TRAVEL,
    DRAWER_WIDTH,
    EDGE_X,
    HOOD,
    SHELF,
    SWITCH_ON,
    SWITCH_TOP,
    SWITCH_TRAVEL,
    TOP,
    WALL_TOP,
)
from vla_sim.textures import paint
from vla_sim.variation import Variation

_BLOCK_MASS = 0.06  # [kg]
_FRICTION = 0.8
_RUBBER = 1.2  # friction of the handles
_PRESSED, _RELEASED = 0.6, 0.3  # of the button's travel
_BACK_X = 0.93  # back edge of the table top
_LAMP_X = 0.88
_FREE = tuple((x, y, TOP) for x, y in (
    (0.74, 0.36), (0.74, -0.36), (0.86, 0.30), (0.86, -0.30), (0.87, 0.0)))


class TableStage:
    """Desk with drawer, cabinet with sliding door, lever, button, lamps and blocks."""

    def __init__(self, client: int, layout: TableLayout, variation: Variation) -> None:
        self._client, self._design, self._variation = client, layout.design, variation
        self.desk = self._build_desk(layout.drawer)
        self.cabinet = self._build_cabinet(layout.door)
        self.button = self._build_button()
        self.switch = self._build_switch(layout.switch)
        self.bodies = {name: self._block(name, pose) for name, pose in layout.blocks.items()}
        self.lamps = {'led': self._lamp(0.13, 0.014), 'bulb': self._lamp(-0.13, 0.022)}
        self._lit: dict[str, bool] = {}
        self._light('led', layout.led)
        self._light('bulb', layout.switch)
        self._down = False
        self.surfaces = {
            (self.desk, -1): 'table', (self.desk, 0): 'drawer', (self.cabinet, -1): 'cabinet',
            (self.cabinet, 0): 'door', (self.button, -1): 'button', (self.button, 0): 'button',
            (self.switch, -1): 'switch', (self.switch, 0): 'switch'}
        self.skins: dict[int, Skin] = {}  # bare and rigid, all of it
        self.painted = {
            'table': (self.desk, -1), 'drawer': (self.desk, 0), 'cabinet': (self.cabinet, -1),
            'door': (self.cabinet, 0)}
        self.places = _FREE
        paint(client, self.painted, {'table': layout.design.texture})

    def after_step(self) -> None:
        """Stop what slides at its ends; the button toggles the LED, the bulb follows the lever."""
        client = self._client
        shapes.stopped(client, self.desk, DRAWER_TRAVEL)
        shapes.stopped(client, self.cabinet, DOOR_TRAVEL)
        pressed = shapes.stopped(client, self.button, BUTTON_TRAVEL) / BUTTON_TRAVEL
        if pressed > _PRESSED and not self._down:
            self._down = True
            self._light('led', not self._lit['led'])
        elif pressed < _RELEASED:
            self._down = False
        lever = shapes.stopped(client, self.switch, SWITCH_TRAVEL)
        lever_on = lever > SWITCH_ON * SWITCH_TRAVEL
        if lever_on != self._lit['bulb']:
            self._light('bulb', lever_on)

    def objects(self) -> dict[str, np.ndarray]:
        """Return the (7,) poses of the blocks and of what a gripper takes hold of or presses."""
        client, design = self._client, self._design
        poses = {name: shapes.pose_of(client, body) for name, body in self.bodies.items()}
        drawer, door = shapes.slid(client, self.desk), shapes.slid(client, self.cabinet)
        reach, height = DRAWER_HANDLE
        poses['drawer_handle'] = _at(DRAWER_FRONT_X + reach - drawer, design.drawer_y, height)
        side = design.cabinet_y - CABINET_HALF / 2
        poses['door_handle'] = _at(DOOR_HANDLE[0], side + door, DOOR_HANDLE[1])
        poses['button'] = _at(*design.button, TOP + BUTTON_TOP)
        lever = shapes.slid(client, self.switch)
        poses['switch'] = _at(design.switch[0] + lever, design.switch[1], TOP + SWITCH_TOP)
        return poses

    def joints(self) -> dict[str, float]:
        """Return door and drawer [m], button and switch 0..1, bulb and led 0 or 1."""
        client = self._client
        button = shapes.slid(client, self.button) / BUTTON_TRAVEL
        switch = shapes.slid(client, self.switch) / SWITCH_TRAVEL
        return {
            'door': shapes.slid(client, self.cabinet), 'drawer': shapes.slid(client, self.desk),
            'button': float(np.clip(button, 0.0, 1.0)),
            'switch': float(np.clip(switch, 0.0, 1.0)),
            'bulb': float(self._lit['bulb']), 'led': float(self._lit['led'])}

    def grip_width(self, name: str) -> float:
        """Return the short side of a block [m]."""
        return BLOCKS[name][1]

    def _colour(self, part: str) -> tuple[float, ...]:
        return self._variation.tint(part, self._design.palette[part])

    def _build_desk(self, opening: float) -> int:
        """Add the table top on its legs; joint 0 pulls the drawer towards the robot."""
        wood, dark = self._colour('table'), self._colour('desk')
        middle, half = (EDGE_X + _BACK_X) / 2, (_BACK_X - EDGE_X) / 2
        shell = [
            Box((half, 0.44, 0.01), (middle, 0.0, TOP - 0.01), wood),
            Box((0.01, 0.43, 0.05), (_BACK_X - 0.02, 0.0, 0.05), dark),
            Box((half - 0.01, 0.01, 0.05), (middle, 0.42, 0.05), dark),
            Box((half - 0.01, 0.01, 0.05), (middle, -0.42, 0.05), dark),
        ]
        return shapes.sliding(
            self._client, (0.0, 0.0, 0.0), shell, self._drawer(), (-1.0, 0.0, 0.0), 0.5,
            friction_n=3.0, at=opening, friction=_RUBBER)

    def _drawer(self) -> list[Box]:
        inside, front = self._colour('drawer'), self._colour('drawer_front')
        handle = self._colour('handle')
        x, y, wall = DRAWER_FRONT_X, self._design.drawer_y, 0.005
        middle, width = x + 0.01 + DRAWER_DEPTH / 2, DRAWER_WIDTH / 2
        low, high = DRAWER_FLOOR - 0.01, 0.095
        rise = (high - low) / 2
        reach, height = DRAWER_HANDLE
        return [
            Box((DRAWER_DEPTH / 2, width, wall), (middle, y, DRAWER_FLOOR - wall), inside),
            Box((DRAWER_DEPTH / 2, wall, rise), (middle, y + width + wall, low + rise), inside),
            Box((DRAWER_DEPTH / 2, wall, rise), (middle, y - width - wall, low + rise), inside),
            Box((wall, width + 0.01, rise), (x + 0.01 + DRAWER_DEPTH + wall, y, low + rise),
                inside),
            Box((wall, width + 0.01, rise), (x + wall, y, low + rise), front),
            Box((-reach / 2, 0.008, 0.010), (x + reach / 2, y, 0.07), handle),
            Box((0.012, 0.011, 0.030), (x + reach, y, height - 0.015), handle),
        ]

    def _build_cabinet(self, opening: float) -> int:
        """Add the cabinet at the back; joint 0 slides the hood over its halves to the left."""
        wood, inside = self._colour('cabinet'), self._colour('cabinet_inside')
        (x0, x1), half = CABINET_X, CABINET_HALF
        middle, depth, wall = (x0 + x1) / 2, (x1 - x0) / 2, 0.006
        rise = (WALL_TOP - TOP) / 2
        shell = [
            Box((depth, half, (SHELF - TOP) / 2), (middle, 0.0, (SHELF + TOP) / 2), inside),
            Box((wall, half + 2 * wall, rise), (x1 + wall, 0.0, TOP + rise), wood),
            Box((depth, wall, rise), (middle, half + wall, TOP + rise), wood),
            Box((depth, wall, rise), (middle, -half - wall, TOP + rise), wood),
            Box((0.004, half, 0.011), (x0 - 0.004, 0.0, TOP + 0.011), wood),
        ]
        return shapes.sliding(
            self._client, (0.0, self._design.cabinet_y, 0.0), shell, self._hood(),
            (0.0, 1.0, 0.0), 0.4, friction_n=2.0, at=opening, friction=_RUBBER)

    def _hood(self) -> list[Box]:
        colour, handle = self._colour('door'), self._colour('door_handle')
        (x0, x1), half = CABINET_X, CABINET_HALF / 2
        low, (high, top) = SHELF + 0.014, HOOD
        return [
            Box(((x1 - x0) / 2 + 0.018, half, (top - high) / 2),
                ((x0 + x1) / 2 - 0.003, -half, (top + high) / 2), colour),
            Box((0.003, half, (high - low) / 2), (x0 - 0.014, -half, (high + low) / 2), colour),
            Box((0.012, 0.011, 0.026), (DOOR_HANDLE[0], -half, top + 0.026), handle),
        ]

    def _build_button(self) -> int:
        base = [Box((0.042, 0.042, 0.009), (0.0, 0.0, 0.009), self._colour('button_case'))]
        cap = [Box((0.026, 0.026, 0.010), (0.0, 0.0, BUTTON_TOP - 0.010),
                   self._colour('button'))]
        return shapes.sliding(
            self._client, (*self._design.button, TOP), base, cap, (0.0, 0.0, -1.0), 0.05,
            spring_n=4.0)

    def _build_switch(self, on: bool) -> int:
        middle = SWITCH_TRAVEL / 2
        base = [Box((middle + 0.028, 0.030, 0.008), (middle, 0.0, 0.008),
                    self._colour('switch_case'))]
        post = [Box((0.013, 0.011, (SWITCH_TOP - 0.017) / 2),
                    (0.0, 0.0, (SWITCH_TOP + 0.017) / 2), self._colour('switch'))]
        return shapes.sliding(
            self._client, (*self._design.switch, TOP), base, post, (1.0, 0.0, 0.0), 0.1,
            friction_n=1.5, at=SWITCH_TRAVEL if on else 0.0, friction=_RUBBER)

    def _block(self, name: str, pose: np.ndarray) -> int:
        """Add a block at (4,) x y z [m], yaw [rad]."""
        half = tuple(size / 2 for size in BLOCKS[name])
        body = shapes.body(
            self._client, _BLOCK_MASS * self._variation.mass,
            [Box(half, (0.0, 0.0, 0.0), self._colour(name))], pose[:3], pose[3])
        pybullet.changeDynamics(
            body, -1, lateralFriction=_FRICTION * self._variation.friction,
            spinningFriction=0.002, rollingFriction=0.0001, physicsClientId=self._client)
        return body

    def _lamp(self, side: float, half: float) -> int:
        y = self._design.cabinet_y + side
        shapes.body(self._client, 0.0, [
            Box((0.006, 0.006, 0.05), (_LAMP_X, y, TOP + 0.05), self._colour('stand'))])
        return shapes.body(
            self._client, 0.0, [Box((half,) * 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 1.0))],
            (_LAMP_X, y, TOP + 0.10 + half))

    def _light(self, lamp: str, lit: bool) -> None:
        """Show a lamp burning or dark."""
        self._lit[lamp] = lit
        pybullet.changeVisualShape(
            self.lamps[lamp], -1, rgbaColor=self._colour(f'{lamp}_{"on" if lit else "off"}'),
            physicsClientId=self._client)


def _at(x: float, y: float, z: float) -> np.ndarray:
    """Return the (7,) pose of something that is never turned."""
    return np.array([x, y, z, 0.0, 0.0, 0.0, 1.0])
