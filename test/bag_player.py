"""Play a bag's topics and /clock in real time, as `ros2 bag play BAG --clock` does."""

from contextlib import closing
from pathlib import Path
import sys
import time

import rclpy
from rosgraph_msgs.msg import Clock
from vla_bringup.replay.bag_source import BagSource
from vla_bringup.replay.script import ScriptBuilder
from vla_bringup.replay.sensors import sensors_of
from vla_bringup.replay_player_node import message_class, profile_of
from vla_core.ros import qos
from vla_core.ros.arrays import to_time


def play(bag: Path) -> None:
    rclpy.init()
    node = rclpy.create_node('player')
    with closing(BagSource(bag)) as source:
        steps = ScriptBuilder(source).build().steps
        talk = {topic: node.create_publisher(message_class(channel), topic, profile_of(channel))
                for topic, channel in sensors_of(source.robot, touch=source.touch).items()}
        clock = node.create_publisher(Clock, '/clock', qos.SENSOR_RELIABLE)
        limit = time.monotonic() + 20.0
        while not all(one.get_subscription_count() for one in talk.values()):
            assert time.monotonic() < limit, 'nobody listens'
            time.sleep(0.05)
        time.sleep(0.5)  # from matched here to matched there
        begun = time.monotonic() - steps[0].stamp_ns * 1e-9
        for sensed in source.messages():
            talk[sensed.topic].publish(bytes(sensed.data))
            due = [step for step in steps if (sensed.topic, sensed.place) in step.messages]
            if due and sensed.topic == 'static/image':
                clock.publish(Clock(clock=to_time(due[0].stamp_ns)))
                time.sleep(max(0.0, begun + due[0].stamp_ns * 1e-9 - time.monotonic()))
        time.sleep(1.0)  # until the last one is heard
    node.destroy_node()
    rclpy.shutdown()


if __name__ == '__main__':
    play(Path(sys.argv[1]))
