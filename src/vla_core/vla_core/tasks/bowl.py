"""The nine tasks of the bowl scene: lift, put in the bowl, the drawer, the button."""

from collections.abc import Mapping
from types import MappingProxyType

from vla_core.tasks.language import BLOCK_COLOURS, phrase, TaskLanguage

_LIFT = (
    'pick up the {colour} block',
    'lift the {colour} block',
    'raise the {colour} cube',
    'grab the {colour} block',
    'lift up the {colour} cube',
    'take the {colour} block',
    'pick the {colour} cube up',
    'raise the {colour} block off the table',
    'grasp the {colour} block and lift it',
    'hold the {colour} block up',
)
_LIFT_HELD_OUT = (
    'lift the {colour} cube off the table',
    'pick up the {colour} cube',
    'grab the {colour} cube and raise it',
    'raise the {colour} block',
)
_PUT = (
    'put the {colour} block in the bowl',
    'place the {colour} block into the bowl',
    'drop the {colour} cube into the bowl',
    'move the {colour} block to the bowl',
    'put the {colour} cube inside the bowl',
    'pick up the {colour} block and put it in the bowl',
    'take the {colour} block and drop it into the bowl',
    'set the {colour} cube down in the bowl',
    'bring the {colour} cube to the bowl',
    'lift the {colour} cube and place it in the bowl',
)
_PUT_HELD_OUT = (
    'place the {colour} cube in the bowl',
    'drop the {colour} block in the bowl',
    'grab the {colour} block and place it inside the bowl',
    'move the {colour} cube into the bowl',
)
_OPEN = (
    'open the drawer',
    'pull the drawer open',
    'slide the drawer open',
    'pull out the drawer',
    'pull the drawer out',
    'open up the drawer',
    'slide out the drawer',
    'get the drawer open',
    'pull the handle and open the drawer',
    'grab the handle and pull the drawer open',
)
_OPEN_HELD_OUT = (
    'pull open the drawer',
    'slide the drawer out',
    'open the drawer up',
    'grasp the handle and pull the drawer out',
)
_CLOSE = (
    'close the drawer',
    'shut the drawer',
    'push the drawer closed',
    'push the drawer shut',
    'slide the drawer closed',
    'push in the drawer',
    'push the drawer in',
    'slide the drawer shut',
    'push the drawer back in',
    'close up the drawer',
)
_CLOSE_HELD_OUT = (
    'slide the drawer back in',
    'slide in the drawer',
    'close the open drawer',
    'get the drawer closed',
)
_PRESS = (
    'press the button',
    'push the button',
    'hit the button',
    'push down the button',
    'press down on the button',
    'tap the button',
    'push the button down',
    'press the button down',
    'press on the button',
    'push down on the button',
)
_PRESS_HELD_OUT = (
    'press down the button',
    'push on the button',
    'hit down on the button',
    'tap on the button',
)

OPEN_DRAWER = TaskLanguage('open_drawer', _OPEN, _OPEN_HELD_OUT)
CLOSE_DRAWER = TaskLanguage('close_drawer', _CLOSE, _CLOSE_HELD_OUT)


def _all_tasks() -> tuple[TaskLanguage, ...]:
    return (
        *(phrase('lift_{colour}_block', _LIFT, _LIFT_HELD_OUT, colour=c) for c in BLOCK_COLOURS),
        *(phrase('put_{colour}_block_in_bowl', _PUT, _PUT_HELD_OUT, colour=c)
          for c in BLOCK_COLOURS),
        OPEN_DRAWER,
        CLOSE_DRAWER,
        TaskLanguage('press_button', _PRESS, _PRESS_HELD_OUT),
    )


TASKS: Mapping[str, TaskLanguage] = MappingProxyType({t.name: t for t in _all_tasks()})
