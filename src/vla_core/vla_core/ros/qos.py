"""Named QoS profiles: no publisher or subscription of the suite states its own numbers.

Sensor publishers are reliable with a short queue, so that a subscriber may choose (REP-2003):
perception reads best effort in real time and reliable in lockstep, the recorder always reliable.
What passes between the suite's own nodes is kept for late joiners: a node that comes up, or back,
in the middle of a step finds the messages it has to answer.
"""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _profile(depth: int, reliable: bool, latched: bool = False) -> QoSProfile:
    return QoSProfile(
        depth=depth,
        history=HistoryPolicy.KEEP_LAST,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


STEP_IMAGE = _profile(100, reliable=True)  # in lockstep, where a step of a bag comes at once
STEP_SENSOR = _profile(2000, reliable=True)  # the same of joints at 1 kHz
IMAGE = _profile(1, reliable=False)  # reading images in real time: only the newest counts
SENSOR = _profile(5, reliable=False)  # reading joint states and TF in real time
SENSOR_RELIABLE = _profile(10, reliable=True)  # publishing sensors
COMMAND = _profile(10, reliable=True, latched=True)  # observations, subtasks, chunks
EVENT = _profile(200, reliable=True, latched=True)  # ticks, acknowledgements, outcomes
SET_POINT = _profile(10, reliable=True)  # to and from an arm's controller: an old one is none
WORD = _profile(10, reliable=True)  # an operator's keys and words: an old one must not act again
RECORD = _profile(100, reliable=True)  # the recorder: rides out a slow disk
RECORD_FAST = _profile(2000, reliable=True)  # the same of joints at 1 kHz
RECORD_UNRELIABLE = _profile(2000, reliable=False)  # of a sensor that is published so
LATCHED = _profile(1, reliable=True, latched=True)  # robot_description, status, outcome
TF_STATIC = _profile(100, reliable=True, latched=True)
CLOCK = _profile(1, reliable=False)


def image(lockstep: bool) -> QoSProfile:
    """Return the profile with which perception reads images."""
    return STEP_IMAGE if lockstep else IMAGE


def sensor(lockstep: bool) -> QoSProfile:
    """Return the profile with which perception reads joint states and TF."""
    return STEP_SENSOR if lockstep else SENSOR
