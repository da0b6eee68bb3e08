"""The three tasks of the touch scene, where sight does not help."""

from collections.abc import Mapping
from types import MappingProxyType

from vla_core.tasks.language import phrase, TaskLanguage

_PICK = (
    'take the {feel} block out of the box',
    'pick the {feel} block from the box',
    'find the {feel} block in the box and lift it',
    'reach into the box and take the {feel} block',
    'feel for the {feel} block and pick it up',
    'lift the {feel} block out of the box',
    'get the {feel} cube out of the box',
    'grab the {feel} cube inside the box',
    'pull the {feel} block out of the box by touch',
    'search the box for the {feel} block and take it out',
)
_PICK_HELD_OUT = (
    'take the {feel} cube out of the box',
    'find the {feel} cube in the box and take it out',
    'reach into the box and lift the {feel} block',
    'feel for the {feel} cube inside the box and grab it',
)
_INSERT = (
    'put the peg into the hole',
    'insert the peg',
    'push the peg into the hole',
    'insert the peg in the hole',
    'fit the peg in its hole',
    'slide the peg into the hole',
    'stick the peg in the hole',
    'find the hole and put the peg in',
    'lower the peg into the hidden hole',
    'feel for the hole and push the peg in',
)
_INSERT_HELD_OUT = (
    'insert the peg into its hole',
    'find the hidden hole and insert the peg',
    'feel for the hole and slide the peg in',
    'fit the peg into the hole',
)


def _all_tasks() -> tuple[TaskLanguage, ...]:
    return (
        *(phrase('pick_{feel}_block', _PICK, _PICK_HELD_OUT, feel=f) for f in ('soft', 'ridged')),
        TaskLanguage('insert_peg', _INSERT, _INSERT_HELD_OUT),
    )


TASKS: Mapping[str, TaskLanguage] = MappingProxyType({t.name: t for t in _all_tasks()})
