"""Synthetic cameras and their reader, each a process: are frames lost between them?"""

from dataclasses import dataclass, field
from functools import partial
import json
from pathlib import Path
import sys
import time

import numpy as np
from sensor_msgs.msg import Image
from vla_bringup.benchmarks.figures import percentiles
from vla_core.ros import qos
from vla_core.ros.arrays import from_time, to_image
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.params import about, declare
from vla_core.ros.spin import run

_CAMERAS = ('left', 'right')
_SHAPE = (480, 640, 3)


@dataclass(frozen=True)
class CameraConfig:
    """Parameters of both ends."""

    role: str = field(
        default='publish', metadata=about('which end', choices=('publish', 'receive')))
    rate_hz: int = field(default=30, metadata=about('frames a second', 1, 1000))
    frames: int = field(default=150, metadata=about('frames a camera', 1, 1_000_000))
    out: str = field(default='camera.json', metadata=about('file for the figures'))


class CameraNode(VlaLifecycleNode):
    """Publishes noise on two topics, or counts what arrives of it."""

    def __init__(self) -> None:
        super().__init__('camera')

    def setup(self) -> None:
        """Take the role."""
        self._config = declare(self, CameraConfig)
        if self._config.role == 'publish':
            self._setup_publisher()
        else:
            self._setup_receiver()

    def teardown(self) -> None:
        """Write what arrived."""
        if hasattr(self, '_latencies'):
            figures = {name: percentiles(values) for name, values in self._latencies.items()}
            Path(self._config.out).write_text(json.dumps(figures))

    def _setup_publisher(self) -> None:
        rng = np.random.default_rng(0)
        self._picture = rng.integers(0, 256, _SHAPE, dtype=np.uint8)
        self._left = self._config.frames
        self._publishers = [
            self.talk(Image, f'{name}/image', qos.SENSOR_RELIABLE) for name in _CAMERAS]
        self.every(1.0 / self._config.rate_hz, self._publish)

    def _publish(self) -> None:
        if any(not publisher.get_subscription_count() for publisher in self._publishers):
            return
        if self._left == 0:
            Path(self._config.out).with_suffix('.sent').touch()
            return
        self._left -= 1
        for publisher in self._publishers:
            publisher.publish(to_image(self._picture, time.monotonic_ns()))

    def _setup_receiver(self) -> None:
        self._latencies: dict[str, list[float]] = {name: [] for name in _CAMERAS}
        for name in _CAMERAS:
            self.listen(Image, f'{name}/image', partial(self._on_image, name), qos.SENSOR)

    def _on_image(self, name: str, message: Image) -> None:
        age_ns = time.monotonic_ns() - from_time(message.header.stamp)
        self._latencies[name].append(1e-6 * age_ns)


def main() -> int:
    """Run the node."""
    return run(CameraNode)


if __name__ == '__main__':
    sys.exit(main())
