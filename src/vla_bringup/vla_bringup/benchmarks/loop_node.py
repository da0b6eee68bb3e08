"""A probe in the running graph: how long from an image to the joint command it leads to."""

from dataclasses import dataclass, field
import json
from pathlib import Path
import sys

import numpy as np
from sensor_msgs.msg import Image
from trajectory_msgs.msg import JointTrajectory
from vla_bringup.benchmarks.figures import percentiles
from vla_core.ros import qos
from vla_core.ros.arrays import from_time
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.params import about, declare
from vla_core.ros.spin import run
from vla_core.spec import load_robot
from vla_interfaces import msg

_PAUSE_S = 0.5  # gaps longer than this are between episodes, not jitter


@dataclass(frozen=True)
class ProbeConfig:
    """Parameters of the probe."""

    robot: str = field(default='panda', metadata=about('robot spec'))
    out: str = field(default='loop.json', metadata=about('file for the figures'))


class ProbeNode(VlaLifecycleNode):
    """Notes on the steady clock when images, chunks and set-points arrive."""

    def __init__(self) -> None:
        super().__init__('probe')

    def setup(self) -> None:
        """Listen to both ends of the loop and to its middle."""
        self._config = declare(self, ProbeConfig)
        self._spec = load_robot(self._config.robot)
        self._seen_s: dict[int, float] = {}  # image stamp [ns] -> steady arrival [s]
        self._answered: int | None = None  # stamp of a chunk no set-point has followed yet
        self._latencies: list[float] = []  # [s] image to set-point
        self._chunks: list[float] = []  # [s] steady arrivals
        self._inferences: list[float] = []  # [s]
        self._commands: list[float] = []  # [s] steady arrivals
        topic = f'{self._spec.controller.name}/joint_trajectory'
        self.listen(Image, 'static/image', self._on_image, qos.IMAGE)
        self.listen(msg.ActionChunk, 'action_chunk', self._on_chunk, qos.COMMAND)
        self.listen(JointTrajectory, topic, self._on_command, qos.SET_POINT)

    def teardown(self) -> None:
        """Write what was measured."""
        if hasattr(self, '_commands'):
            Path(self._config.out).write_text(json.dumps(self._figures()))

    def _on_image(self, message: Image) -> None:
        self._seen_s[from_time(message.header.stamp)] = self.steady_s()

    def _on_chunk(self, message: msg.ActionChunk) -> None:
        self._answered = from_time(message.header.stamp)
        self._chunks.append(self.steady_s())
        self._inferences.append(message.inference_s)

    def _on_command(self, message: JointTrajectory) -> None:
        del message
        now_s = self.steady_s()
        self._commands.append(now_s)
        if self._answered in self._seen_s:
            self._latencies.append(now_s - self._seen_s.pop(self._answered))
        self._answered = None

    def _figures(self) -> dict[str, dict[str, float | int]]:
        between = _gaps(self._commands)
        jitter = np.abs(between - self._spec.controller.period_s)
        steps = _gaps(self._chunks)
        return {
            'image to joint command [ms]': percentiles(1e3 * np.array(self._latencies)),
            'inference [ms]': percentiles(1e3 * np.array(self._inferences)),
            'policy rate [Hz]': percentiles(1.0 / steps),
            'policy period [ms]': percentiles(1e3 * steps),
            'command period [ms]': percentiles(1e3 * between),
            'command jitter [ms]': percentiles(1e3 * jitter),
        }


def _gaps(arrivals: list[float]) -> np.ndarray:
    """Return the times (N,) [s] between arrivals, without the pauses between episodes."""
    gaps = np.diff(np.array(arrivals))
    return gaps[(gaps > 0.0) & (gaps < _PAUSE_S)]


def main() -> int:
    """Run the node."""
    return run(ProbeNode)


if __name__ == '__main__':
    sys.exit(main())
