"""The 34 tasks of the table with drawer, sliding door, lever, button and three blocks.

The names are CALVIN's (Mees et al. 2022); the sentences are our own. Right and left are as
seen by the robot, clockwise as seen from above. What is held or lies ready has no colour.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from vla_core.tasks.bowl import CLOSE_DRAWER, OPEN_DRAWER
from vla_core.tasks.language import BLOCK_COLOURS, phrase, TaskLanguage

_ROTATE = (
    'rotate the {colour} block to the {side}',
    'turn the {colour} block {sense}',
    'spin the {colour} cube to the {side}',
    'turn the {colour} cube to the {side}',
    'rotate the {colour} cube {sense}',
    'grab the {colour} block and turn it to the {side}',
    'twist the {colour} block {sense}',
    'give the {colour} block a turn to the {side}',
    'grasp the {colour} cube and rotate it {sense}',
    'spin the {colour} block around {sense}',
)
_ROTATE_HELD_OUT = (
    'turn the {colour} block to the {side}',
    'spin the {colour} cube {sense}',
    'grab the {colour} cube and twist it to the {side}',
    'rotate the {colour} block {sense}',
)
_PUSH = (
    'push the {colour} block to the {side}',
    'slide the {colour} block to the {side}',
    'move the {colour} cube to the {side}',
    'shove the {colour} block {side}',
    'push the {colour} cube {side}',
    'slide the {colour} cube over to the {side}',
    'push the {colour} block across the table to the {side}',
    'move the {colour} block over to the {side}',
    'slide the {colour} block {side} along the table',
    'shove the {colour} cube to the {side}',
)
_PUSH_HELD_OUT = (
    'move the {colour} block to the {side}',
    'push the {colour} cube to the {side}',
    'slide the {colour} cube across the table to the {side}',
    'shove the {colour} block over to the {side}',
)
_SLIDER = (
    'move the sliding door to the {side}',
    'slide the door to the {side}',
    'push the sliding door {side}',
    'move the door {side}',
    'shift the sliding door to the {side}',
    'slide the cabinet door {side}',
    'grab the door handle and slide it to the {side}',
    'push the cabinet door over to the {side}',
    'slide the door all the way {side}',
    'grasp the handle of the door and move it to the {side}',
)
_SLIDER_HELD_OUT = (
    'push the door to the {side}',
    'move the cabinet door to the {side}',
    'shift the cabinet door {side}',
    'grasp the door handle and push it to the {side}',
)
_LIFT_TABLE = (
    'lift the {colour} block from the table',
    'pick up the {colour} block from the table',
    'take the {colour} cube off the table',
    'grab the {colour} block on the table and lift it',
    'raise the {colour} cube off the table',
    'pick the {colour} block up off the table',
    'lift up the {colour} block lying on the table',
    'grasp the {colour} cube on the table and raise it',
    'hold the {colour} block up above the table',
    'get the {colour} cube from the table',
)
_LIFT_TABLE_HELD_OUT = (
    'pick up the {colour} cube from the table',
    'lift the {colour} block off the table',
    'take the {colour} block from the table',
    'grab the {colour} cube on the table and raise it',
)
_LIFT_SLIDER = (
    'lift the {colour} block out of the sliding cabinet',
    'pick up the {colour} block from the cabinet',
    'take the {colour} cube out of the slider',
    'get the {colour} block out of the sliding cabinet',
    'grab the {colour} block inside the cabinet and lift it',
    'remove the {colour} cube from the cabinet',
    'pick the {colour} block up out of the slider',
    'raise the {colour} block in the slider',
    'grasp the {colour} cube in the sliding cabinet and take it out',
    'lift the {colour} cube out of the cabinet',
)
_LIFT_SLIDER_HELD_OUT = (
    'take the {colour} block out of the cabinet',
    'lift the {colour} cube from the slider',
    'pick up the {colour} cube from the sliding cabinet',
    'grab the {colour} block in the slider and take it out',
)
_LIFT_DRAWER = (
    'lift the {colour} block from the drawer',
    'pick up the {colour} block from the drawer',
    'take the {colour} cube out of the drawer',
    'get the {colour} block out of the open drawer',
    'grab the {colour} block inside the drawer and lift it',
    'remove the {colour} cube from the drawer',
    'pick the {colour} block up out of the drawer',
    'raise the {colour} block in the drawer',
    'grasp the {colour} cube in the drawer and take it out',
    'lift the {colour} cube out of the open drawer',
)
_LIFT_DRAWER_HELD_OUT = (
    'take the {colour} block out of the drawer',
    'lift the {colour} cube from the drawer',
    'pick up the {colour} cube from the open drawer',
    'remove the {colour} block from the drawer',
)
_PLACE_IN_SLIDER = (
    'put the block in the sliding cabinet',
    'place the block inside the cabinet',
    'put what you are holding into the slider',
    'set the block down in the cabinet',
    'place the grasped block in the slider',
    'drop the cube in the sliding cabinet',
    'store the block in the cabinet',
    'put the cube you hold in the cabinet',
    'move the block into the slider',
    'leave the cube inside the sliding cabinet',
)
_PLACE_IN_SLIDER_HELD_OUT = (
    'place the cube in the slider',
    'put the block you are holding in the cabinet',
    'set the cube down inside the sliding cabinet',
    'store the grasped block in the slider',
)
_PLACE_IN_DRAWER = (
    'put the block in the drawer',
    'place the block inside the drawer',
    'put what you are holding into the drawer',
    'set the block down in the drawer',
    'place the grasped block in the open drawer',
    'drop the cube in the drawer',
    'store the block in the drawer',
    'put the cube you hold in the drawer',
    'lower the block into the drawer',
    'leave the cube inside the open drawer',
)
_PLACE_IN_DRAWER_HELD_OUT = (
    'place the cube in the drawer',
    'put the block you are holding in the open drawer',
    'set the cube down inside the drawer',
    'store the grasped block in the drawer',
)
_PUSH_INTO_DRAWER = (
    'push the block into the drawer',
    'sweep the block into the drawer',
    'slide the block across the table into the drawer',
    'shove the cube into the open drawer',
    'push the cube off the table and into the drawer',
    'slide the block over the edge so it falls into the drawer',
    'knock the block off the table into the drawer',
    'push the object into the drawer',
    'nudge the cube over the edge into the drawer',
    'sweep the cube off the table into the open drawer',
)
_PUSH_INTO_DRAWER_HELD_OUT = (
    'push the cube into the open drawer',
    'sweep the object into the drawer',
    'shove the block over the edge into the drawer',
    'slide the cube off the table and into the drawer',
)
_STACK = (
    'stack the block on top of another block',
    'put the block on top of the other one',
    'stack the blocks',
    'place the block you hold on another cube',
    'set the cube down on top of a block',
    'build a tower with the blocks',
    'place the grasped block on another one',
    'stack the cubes on top of each other',
    'put one block on the other',
    'lower the block onto another block',
)
_STACK_HELD_OUT = (
    'stack the cube on top of another block',
    'place the block on top of another one',
    'build a tower with the cubes',
    'lower the grasped block onto the other one',
)
_UNSTACK = (
    'unstack the blocks',
    'take the top block off the stack',
    'take the tower apart',
    'remove the upper block from the other one',
    'pick the top cube off the tower',
    'take down the stack of blocks',
    'push the top block off the other one',
    'separate the stacked blocks',
    'lift the upper cube off and put it on the table',
    'remove the top block from the tower',
)
_UNSTACK_HELD_OUT = (
    'unstack the cubes',
    'take the upper block off the tower',
    'remove the top cube from the stack',
    'take down the tower of blocks',
)
_BULB = (
    'turn {state} the light bulb',
    'switch the bulb {state}',
    'turn the light bulb {state}',
    'flip the lever to turn {state} the bulb',
    'move the lever so the light bulb goes {state}',
    'use the switch to turn the light bulb {state}',
    'switch the light bulb {state}',
    'flip the switch to turn the bulb {state}',
    'slide the switch and turn {state} the bulb',
    'turn the bulb {state} with the lever',
)
_BULB_HELD_OUT = (
    'turn {state} the bulb',
    'switch {state} the light bulb',
    'flip the lever so the bulb goes {state}',
    'move the lever to turn {state} the light bulb',
)
_LED = (
    'turn {state} the led',
    'switch the led {state}',
    'press the button to turn {state} the led',
    'turn the led light {state}',
    'push the button so the led goes {state}',
    'use the button to switch {state} the led',
    'switch {state} the led light',
    'push down the button and turn {state} the led',
    'hit the button to turn the led {state}',
    'turn the led {state} with the button',
)
_LED_HELD_OUT = (
    'switch {state} the led',
    'turn {state} the led light',
    'press the button so the led goes {state}',
    'use the button to turn the led light {state}',
)
_SENSES = {'right': 'clockwise', 'left': 'counterclockwise'}  # from above


def _of_colour(colour: str) -> Iterator[TaskLanguage]:
    for side, sense in _SENSES.items():
        yield phrase('rotate_{colour}_block_{side}', _ROTATE, _ROTATE_HELD_OUT,
                     colour=colour, side=side, sense=sense)
        yield phrase('push_{colour}_block_{side}', _PUSH, _PUSH_HELD_OUT,
                     colour=colour, side=side)
    yield phrase('lift_{colour}_block_table', _LIFT_TABLE, _LIFT_TABLE_HELD_OUT, colour=colour)
    yield phrase('lift_{colour}_block_slider', _LIFT_SLIDER, _LIFT_SLIDER_HELD_OUT, colour=colour)
    yield phrase('lift_{colour}_block_drawer', _LIFT_DRAWER, _LIFT_DRAWER_HELD_OUT, colour=colour)


def _all_tasks() -> Iterator[TaskLanguage]:
    for colour in BLOCK_COLOURS:
        yield from _of_colour(colour)
    for side in _SENSES:
        yield phrase('move_slider_{side}', _SLIDER, _SLIDER_HELD_OUT, side=side)
    yield from (OPEN_DRAWER, CLOSE_DRAWER)
    yield TaskLanguage('place_in_slider', _PLACE_IN_SLIDER, _PLACE_IN_SLIDER_HELD_OUT)
    yield TaskLanguage('place_in_drawer', _PLACE_IN_DRAWER, _PLACE_IN_DRAWER_HELD_OUT)
    yield TaskLanguage('push_into_drawer', _PUSH_INTO_DRAWER, _PUSH_INTO_DRAWER_HELD_OUT)
    yield TaskLanguage('stack_block', _STACK, _STACK_HELD_OUT)
    yield TaskLanguage('unstack_block', _UNSTACK, _UNSTACK_HELD_OUT)
    for state in ('on', 'off'):
        yield phrase('turn_{state}_lightbulb', _BULB, _BULB_HELD_OUT, state=state)
        yield phrase('turn_{state}_led', _LED, _LED_HELD_OUT, state=state)


TASKS: Mapping[str, TaskLanguage] = MappingProxyType({t.name: t for t in _all_tasks()})
