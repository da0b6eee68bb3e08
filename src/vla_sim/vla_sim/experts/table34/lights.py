"""Experts for the lever of the bulb and the button of the LED."""

import numpy as np
from vla_core.types import SimState
from vla_sim.experts.chunk import Expert
from vla_sim.experts.motion import CLOSED, Step
from vla_sim.experts.table34.handle import CRUISE, drag, let_go, travel
from vla_sim.scenes.table_measures import SWITCH_TRAVEL

_GRIP = 0.018  # [m] below the top of the lever's post
_PUSH = 0.026  # [m] below the top of the unpressed button


def turn_bulb(state: SimState, on: bool) -> Step:
    """Take the lever and slide it away from the robot (on) or towards it (off)."""
    handle = state.objects['switch'][:3] - (0.0, 0.0, _GRIP)
    target = handle.copy()
    target[0] += ((0.9 if on else 0.1) - state.joints['switch']) * SWITCH_TRAVEL
    if bool(state.joints['bulb']) == on and abs(target[0] - handle[0]) < 0.02:
        return let_go(state)
    return drag(state, handle, target, SWITCH_TRAVEL)


def turn_led(state: SimState, on: bool) -> Step:
    """Close the fingers, press the button once from above and rise."""
    button, tool = state.objects['button'][:3], state.tool_pose
    if bool(state.joints['led']) == on:
        return Step(np.array([*state.tool_target[:2], CRUISE]), CLOSED, 1.0)
    gap = float(np.hypot(*(button[:2] - tool[:2])))
    above = button[2] + 0.035
    goal = button - (0.0, 0.0, _PUSH)
    if state.gripper > 0.3:  # spread fingers would miss it
        goal = np.array([*button[:2], above])
    elif state.joints['button'] > 0.65:
        goal = np.array([*button[:2], above])  # pressed without a change: let it up first
    progress = 0.5 * float(np.exp(-gap / 0.2 - max(0.0, tool[2] - button[2]) / 0.3))
    return Step(travel(goal, tool, above, funnel=0.016), CLOSED,
                progress + 0.4 * state.joints['button'], slow=0.8)


EXPERTS: dict[str, Expert] = {
    'turn_on_lightbulb': lambda state, start: turn_bulb(state, True),
    'turn_off_lightbulb': lambda state, start: turn_bulb(state, False),
    'turn_on_led': lambda state, start: turn_led(state, True),
    'turn_off_led': lambda state, start: turn_led(state, False),
}
