"""Say in words what a reading of an action means: its axes and its unit."""

import numpy as np
from vla_recorder.check.explain import angle, Explanation

_AXES = 'xyz'
_NEAR = 2.0  # a factor this near to a known one has its name
_UNITS = {
    'translation': {1000.0: 'mm for m', 100.0: 'cm for m', 0.001: 'km for m, or poses in mm',
                    0.01: 'poses in cm', 39.37: 'inches for m'},
    'rotation': {180.0 / np.pi: 'degrees for rad', np.pi / 180.0: 'rad for poses in degrees'},
}


def say_reading(found: Explanation) -> str:
    """Return the frame and axes in a few words."""
    if found.frame == 'tool':
        return 'tool axes'
    if np.allclose(np.abs(found.axes).max(0), 1.0):
        return _say_signed(np.rint(found.axes).astype(int))
    return f'a frame turned by {np.degrees(angle(found.axes)):.0f} degrees about {_about(found)}'


def say_factor(factor: float, block: str, step_s: float) -> str:
    """Return the action's size in terms of the motion, with the unit it looks like."""
    known = {**_UNITS[block], 1.0 / step_s: 'a rate for a step'}
    near = min(known, key=lambda value: abs(np.log(factor / value)) if factor > 0 else np.inf)
    text = f'{factor:.3g} times the motion'
    fits = factor > 0 and abs(np.log(factor / near)) < np.log(_NEAR)
    return f'{text} ({known[near]}?)' if fits else text


def _say_signed(axes: np.ndarray) -> str:
    """Name the motion's axes by those of the action: motion x is action axes[0]."""
    parts = []
    for row, name in zip(axes, _AXES):
        column = int(np.abs(row).argmax())
        sign = '-' if row[column] < 0 else ''
        if sign or _AXES[column] != name:
            parts.append(f'{sign}{_AXES[column]} for {name}')
    return 'action ' + ', '.join(parts)


def _about(found: Explanation) -> str:
    """Return the axis of a rotation, one of the frame's where it is near."""
    skew = found.axes - found.axes.T
    axis = np.array([skew[2, 1], skew[0, 2], skew[1, 0]])
    axis /= max(float(np.linalg.norm(axis)), 1e-12)
    column = int(np.abs(axis).argmax())
    if abs(axis[column]) > 0.9:
        return f'{"-" if axis[column] < 0 else ""}{_AXES[column]}'
    return '({:.2f}, {:.2f}, {:.2f})'.format(*axis)
