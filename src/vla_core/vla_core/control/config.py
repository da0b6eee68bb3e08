"""The defaults of the control core, which belong to no single robot."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ControlConfig:
    """How chunks are played and when the arm stops."""

    max_chunk_silence_s: float = 0.26  # a chunk not renewed for so long decelerates to rest
    blend_steps: float = 2.0  # policy steps over which an arriving chunk takes over the motion
    limit_scale: float = 0.95  # share of dq, ddq, dddq the executor uses
    max_lead_rad: float = 0.2  # the target may lead the set-point by so much a joint
    tolerance: float = 0.05  # share above the speed limits the guard lets pass
    workspace_tolerance_m: float = 0.01  # outside the workspace box the guard lets pass
    gripper_close_below: float = 0.4
    gripper_open_above: float = 0.6
    non_finite_fault: int = 3  # so many non-finite chunks in a row latch a fault
