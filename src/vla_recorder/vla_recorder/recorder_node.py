"""The node that records every episode it hears: observations, or raw topics at their own rates.

Observations are what the policy saw, a row a policy step. Raw topics are all that the robot said,
each message with its own stamp; see `recording.raw_recorder`.
"""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
import sys

import numpy as np
from trajectory_msgs.msg import JointTrajectory
from vla_core.errors import InvalidDataError
from vla_core.kinematics import Kinematics
from vla_core.ros import qos
from vla_core.ros.arrays import from_time
from vla_core.ros.convert import from_msg, to_msg
from vla_core.ros.diagnostics import ERROR, OK, WARN
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.lockstep import Ack
from vla_core.ros.params import about, declare
from vla_core.ros.spin import run
from vla_core.spec import load_robot
from vla_core.types import Tick
from vla_interfaces import msg
from vla_recorder.formats import create_dataset, FORMATS, WriteOptions
from vla_recorder.live.bag import BagSink
from vla_recorder.live.lerobot import LeRobotSink
from vla_recorder.live.thread import SinkThread
from vla_recorder.recording.raw_channels import channels_of
from vla_recorder.recording.raw_node import definitions_of, RawTopics
from vla_recorder.recording.raw_recorder import RawLimits, RawRecorder, RawState
from vla_recorder.recording.recorder import Recorder, RecorderLimits
from vla_recorder.store import free_bytes

RECORDER = 'recorder'  # the name under which lockstep ticks are acknowledged


@dataclass(frozen=True)
class NodeConfig:
    """Parameters of the recorder node."""

    robot: str = field(
        default='panda', metadata=about('robot spec: a shipped name or the path of a YAML file'))
    source: str = field(
        default='observation', metadata=about(
            'observations at the rate of the policy, or raw topics at their own rates',
            choices=('observation', 'raw')))
    format: str = field(
        default='lerobot', metadata=about(
            'of the data set; raw topics become lerobot or mcap', choices=tuple(FORMATS)))
    root: str = field(
        default='runs/dataset', metadata=about('folder of the data set; an existing one grows'))
    fps: int = field(
        default=0, metadata=about(
            "rate of the data set; 0 is the robot spec's step_hz, of raw topics that of its "
            'first camera', 0, 1000))
    min_free_gb: float = field(
        default=1.0, metadata=about('stop recording below this free space [GB]', 0.0, 1e6))
    max_episode_mb: int = field(
        default=512, metadata=about('rows of an episode beyond it are dropped [MB]', 1, 1 << 20))
    queue_mb: int = field(
        default=256, metadata=about('raw messages that may wait for the disk [MB]', 1, 1 << 16))
    discovery_s: float = field(
        default=2.0, metadata=about(
            'raw: wait so long for the robot to be there before being active [s]', 0.0, 60.0))
    automatic: bool = field(
        default=True, metadata=about("raw: the planner's subtasks begin episodes, too"))
    compress: bool = field(default=False, metadata=about('mcap: compress, without loss'))
    enabled: bool = field(default=True, metadata=about('record; false only listens'))
    lockstep: bool = field(
        default=False, metadata=about("acknowledge the simulation's observe ticks"))


class RecorderNode(VlaLifecycleNode):
    """Wires topics to Recorder."""

    def __init__(self) -> None:
        super().__init__('recorder')
        self._recorder: Recorder | RawRecorder | None = None

    def setup(self) -> None:
        """Open the data set and listen; a data set that is not whole is refused."""
        config = declare(self, NodeConfig)
        self._spec = load_robot(config.robot)
        self._lines: deque[str] = deque()  # said by the recorder and by its writer's thread
        self._ticks: dict[int, Tick] = {}  # not yet acknowledged, by stamp [ns]
        self._observed_ns = -1
        self._pictures: dict[str, int] = {}  # raw: newest stamp by topic [ns]
        if config.enabled and config.source == 'raw':
            self._open_raw(config)
        else:
            if config.enabled:
                self._open(config)
                self._listen()
                self.every(0.25, self._recorder.settle)
            self.listen(msg.Observation, 'observation', self._on_observation, qos.RECORD)
        self.every(1.0, self._report)
        if config.lockstep:
            self._acks = self.talk(msg.TickAck, 'tick_ack', qos.EVENT)
            self.listen(msg.Tick, 'tick', self._on_tick, qos.EVENT)

    def teardown(self) -> None:
        """Keep the running episode and close the data set."""
        if self._recorder is not None:
            self._recorder.close()
            self._tell()
            self._recorder = None

    def go_safe(self, error: Exception) -> None:
        """Keep what is whole: an episode of rows of which one is missing ends here.

        Raw messages do not depend on each other: their recording goes on.
        """
        if isinstance(self._recorder, Recorder):
            self._recorder.finish(f'recorder node failed: {type(error).__name__}: {error}')

    def _open(self, config: NodeConfig) -> None:
        root = Path(config.root)
        writer = create_dataset(root, config.format, WriteOptions(
            self._spec, config.fps or self._spec.policy.step_hz, compress=config.compress))
        self.get_logger().info(f'recording to {root} as {config.format}')
        self._recorder = Recorder(
            self._spec, writer, Kinematics(self._spec).forward, lambda: free_bytes(root),
            self._lines.append, RecorderLimits(
                max_episode_bytes=config.max_episode_mb << 20,
                min_free_bytes=int(config.min_free_gb * 1e9)))

    def _open_raw(self, config: NodeConfig) -> None:
        root, channels = Path(config.root), channels_of(self._spec)
        known = (self._spec, channels, Kinematics(self._spec).forward, definitions_of(channels))
        if config.format not in ('lerobot', 'mcap'):
            raise InvalidDataError(
                f'format: got {config.format!r}, allowed lerobot or mcap of raw topics')
        sink = (LeRobotSink(root, *known, fps=config.fps) if config.format == 'lerobot'
                else BagSink(root, *known, compress=config.compress))
        self.get_logger().info(f'recording to {root} as {config.format}, raw topics')
        self._recorder = RawRecorder(
            self._spec.name, channels,
            SinkThread(sink, self._lines.append, config.queue_mb * 1_000_000),
            lambda: free_bytes(root), self._lines.append,
            RawLimits(min_free_bytes=int(config.min_free_gb * 1e9), automatic=config.automatic))
        topics = RawTopics(self, channels, self._recorder, self._on_picture)
        topics.await_publishers(config.discovery_s)

    def _listen(self) -> None:
        recorder = self._recorder
        heard = {
            (msg.ActionChunk, 'action_chunk'): recorder.on_chunk,
            (msg.ActionChunk, 'teleop_chunk'): recorder.on_teleop,
            (msg.Subtask, 'subtask'): recorder.on_subtask,
            (msg.ControlStatus, 'control_status'): recorder.on_status,
            (msg.TaskOutcome, 'task_outcome'): recorder.on_outcome,
        }
        for (kind, topic), take in heard.items():
            self.listen(kind, topic, lambda message, take=take: take(from_msg(message)),
                        qos.RECORD)
        self.listen(JointTrajectory, f'{self._spec.controller.name}/joint_trajectory',
                    self._on_trajectory, qos.RECORD)

    def _on_trajectory(self, message: JointTrajectory) -> None:
        """Take each point under the instant it is due, its joints in the spec's order."""
        names = self._spec.joints.names
        if not set(names) <= set(message.joint_names):
            return  # the arm's controller refuses it, too
        order = [message.joint_names.index(name) for name in names]
        for point in message.points:
            due_ns = from_time(message.header.stamp) + from_time(point.time_from_start)
            self._recorder.on_command(due_ns, np.array(point.positions, np.float64)[order])

    # --- lockstep -----------------------------------------------------------------------------

    def _on_tick(self, message: msg.Tick) -> None:
        tick = from_msg(message)
        if tick.observe:
            self._ticks[tick.stamp_ns] = tick
            self._acknowledge()

    def _on_observation(self, message: msg.Observation) -> None:
        if self._recorder is not None:
            self._recorder.on_observation(from_msg(message))
        self._observed_ns = from_time(message.header.stamp)
        self._acknowledge()

    def _on_picture(self, topic: str, stamp_ns: int) -> None:
        """Observe what every camera has shown."""
        self._pictures[topic] = stamp_ns
        if len(self._pictures) >= len(self._spec.cameras):
            self._observed_ns = min(self._pictures.values())
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Acknowledge every observe tick up to the observation last taken in."""
        for stamp in sorted(stamp for stamp in self._ticks if stamp <= self._observed_ns):
            tick = self._ticks.pop(stamp)
            self._acks.publish(to_msg(
                Ack(stamp, tick.tick, tick.episode_id, RECORDER, sent=0)))

    # --- health -------------------------------------------------------------------------------

    def _report(self) -> None:
        self._tell()
        if self._recorder is None:
            self.diagnostics.set('recording', OK, 'not enabled')
            return
        state = self._recorder.state
        if isinstance(state, RawState):
            self._report_raw(state)
            return
        dropped = state.dropped_episodes + state.dropped_rows
        level = ERROR if state.problem else WARN if dropped else OK
        self.diagnostics.set(
            'recording', level, state.problem or ('dropped data' if dropped else 'recording'),
            episodes_written=state.written, episodes_waiting=state.queued,
            episodes_dropped=state.dropped_episodes, rows_dropped=state.dropped_rows,
            free_gb=f'{state.free_bytes / 1e9:.2f}')

    def _report_raw(self, state: RawState) -> None:
        lost = state.dropped_messages + state.failed
        self.diagnostics.set(
            'recording', ERROR if state.problem else WARN if lost else OK,
            state.problem or ('lost data' if lost else 'recording'),
            episode=state.episode_id, episodes_written=state.written,
            episodes_failed=state.failed, messages_dropped=state.dropped_messages,
            waiting_mb=f'{state.waiting_bytes / 1e6:.1f}',
            free_gb=f'{state.free_bytes / 1e9:.2f}')

    def _tell(self) -> None:
        """Log what the recorder said."""
        while self._lines:
            line = self._lines.popleft()
            bad = any(word in line for word in ('recording stopped', 'dropp', 'not written'))
            if bad:  # a line of the program may log at one severity only
                self.get_logger().error(line)
            else:
                self.get_logger().info(line)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(RecorderNode, args)


if __name__ == '__main__':
    sys.exit(main())
