"""What the simulated robot's sensors publish: joints, frames, images, states, the clock."""

from geometry_msgs.msg import WrenchStamped
import numpy as np
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage
from vla_core.ros import qos
from vla_core.ros.arrays import to_image, to_time
from vla_core.ros.convert import to_msg
from vla_core.ros.lifecycle import VlaLifecycleNode
from vla_core.ros.robot_msgs import (
    camera_info_to_msg,
    joint_state_to_msg,
    transforms_to_msg,
    wrench_to_msg,
)
from vla_core.types import TaskOutcome, Tick
from vla_interfaces import msg
from vla_sim.camera_frames import camera_matrices, static_camera_pose
from vla_sim.environment import TableEnvironment


class Sensors:
    """Publishes an environment's state; every stamp is the environment's time."""

    def __init__(self, node: VlaLifecycleNode, environment: TableEnvironment) -> None:
        self._environment, self._spec = environment, environment.spec
        talk = node.talk
        self._joints = talk(JointState, 'joint_states', qos.SENSOR_RELIABLE)
        self._tf = talk(TFMessage, 'tf', qos.SENSOR_RELIABLE)
        self._clock = talk(Clock, 'clock', qos.SENSOR_RELIABLE)
        self._state = talk(msg.SimState, 'sim_state', qos.COMMAND)
        self._outcome = talk(msg.TaskOutcome, 'task_outcome', qos.EVENT)
        self._tick = talk(msg.Tick, 'tick', qos.EVENT)
        self._cameras = {
            name: (talk(Image, f'{name}/image', qos.SENSOR_RELIABLE),
                   talk(CameraInfo, f'{name}/camera_info', qos.SENSOR_RELIABLE))
            for name in self._spec.cameras}
        self._gels = {
            finger: talk(Image, f'tactile/{finger}/image', qos.SENSOR_RELIABLE)
            for finger in self._spec.tactile if environment.scene.touch}
        self._wrench = talk(
            WrenchStamped, 'wrench', qos.SENSOR_RELIABLE) if environment.scene.touch else None
        self._infos = camera_matrices(self._spec, environment.scene.view)
        static = talk(TFMessage, 'tf_static', qos.TF_STATIC)
        static.publish(transforms_to_msg(self._static_links()))
        description: Publisher = talk(String, 'robot_description', qos.LATCHED)
        description.publish(String(data=self._spec.urdf.read_text()))

    def publish_joints(self) -> None:
        """Publish arm and finger joints, and the links that move with them."""
        environment, stamp = self._environment, self._environment.now_ns()
        position, velocity = environment.joint_state()
        fingers, finger_speed = environment.world.arm.finger_state()
        names = (*self._spec.joints.names, *self._spec.gripper.joints)
        self._joints.publish(joint_state_to_msg(
            stamp, names, np.concatenate([position, fingers]),
            np.concatenate([velocity, finger_speed])))
        # Fixed links too: composed poses then have the bits of the in-process environment.
        chain = environment.kinematics.chain(position, float(fingers.mean()))
        self._tf.publish(transforms_to_msg(
            [(parent, child, stamp, pose) for parent, child, pose in chain]))

    def publish_clock(self) -> None:
        """Publish the simulated time."""
        self._clock.publish(Clock(clock=to_time(self._environment.now_ns())))

    def publish_tick(self, tick: int, *, observe: bool) -> None:
        """Say that control step `tick` may be computed now."""
        environment = self._environment
        self._tick.publish(to_msg(
            Tick(environment.now_ns(), tick, environment.episode_id, observe)))

    def publish_views(self) -> None:
        """Render and publish every camera, and the privileged state of the same instant."""
        environment, stamp = self._environment, self._environment.now_ns()
        self._state.publish(to_msg(environment.state(), self._spec.base_frame))
        for name, image in environment.images().items():
            camera = self._spec.cameras[name]
            images, infos = self._cameras[name]
            images.publish(to_image(image, stamp, camera.frame))
            infos.publish(camera_info_to_msg(
                stamp, camera.frame, camera.width, camera.height, self._infos[name]))

        self._publish_touch(stamp)

    def _publish_touch(self, stamp: int) -> None:
        for finger, image in self._environment.touch().items():
            frame = self._spec.tactile[finger].frame
            self._gels[finger].publish(to_image(image, stamp, frame))
        if self._wrench is not None:
            self._wrench.publish(wrench_to_msg(
                stamp, self._spec.tool_frame, self._environment.world.wrench()))

    def publish_outcome(self, outcome: TaskOutcome) -> None:
        """Publish the verdict on the task so far."""
        self._outcome.publish(to_msg(outcome))

    def _static_links(self) -> list[tuple[str, str, int, np.ndarray]]:
        identity = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
        base, camera = self._spec.base_frame, self._spec.cameras['static'].frame
        return [
            (self._spec.world_frame, base, 0, identity),
            (base, camera, 0, static_camera_pose(self._environment.scene.view))]
