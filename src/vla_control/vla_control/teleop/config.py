"""The defaults of teleoperation, which belong to no single device."""

from dataclasses import dataclass, field


def _about(description: str, low: float, high: float) -> dict[str, object]:
    return {'description': description, 'range': (low, high), 'choices': ()}


@dataclass(frozen=True)
class TeleopConfig:
    """How fast a person moves the arm, and when a device counts as gone."""

    rate_hz: float = field(
        default=30.0, metadata=_about('chunks a second while a person has the arm', 5.0, 100.0))
    horizon_s: float = field(
        default=0.165, metadata=_about('a chunk not renewed for so long runs out [s]', 0.05, 0.25))
    linear_m_s: float = field(
        default=0.25, metadata=_about('tool speed at full deflection and full speed', 0.01, 1.0))
    turn_rad_s: float = field(
        default=1.0, metadata=_about('tool turn at full deflection and full speed', 0.05, 3.0))
    joint_rad_s: float = field(
        default=0.5, metadata=_about('joint speed of jogging and of the way to a leader arm',
                                     0.05, 2.0))
    speed: float = field(
        default=0.5, metadata=_about('share of full speed to begin with', 0.05, 1.0))
    silence_s: float = field(
        default=0.2, metadata=_about('a device silent for longer is gone [s]', 0.02, 2.0))
    key_s: float = field(
        default=0.15, metadata=_about('a key moves the arm for so long [s]', 0.05, 0.5))
