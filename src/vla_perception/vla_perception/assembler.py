"""Make one time-aligned Observation out of streams that each keep their own time."""

from collections.abc import Sequence

import numpy as np
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.frames import (
    DisconnectedFramesError,
    FrameBuffer,
    TooNewError,
    TooOldError,
    UnknownFrameError,
)
from vla_core.spec import CameraSpec, RobotSpec
from vla_core.timeline import MissingStreamError, Sample, StaleStreamError, StreamBuffer
from vla_core.types import Observation

IMAGE_CAPACITY = 8  # frames a camera
STATE_CAPACITY = 512  # joint states
JUMP_BACK_NS = 500_000_000  # a stamp further back means that the clock began anew
NO_TRANSFORM = (UnknownFrameError, DisconnectedFramesError, TooOldError)


class ObservationAssembler:
    """Takes samples as they come; `assemble` answers for one instant or says what is missing.

    A stamp that repeats replaces the sample it repeats; one that goes back is refused, unless
    it goes back so far that the clock must have been set back: then the stream begins anew.
    """

    def __init__(
        self, spec: RobotSpec, episode_id: str = '', frames: FrameBuffer | None = None, *,
        touch: bool = False,
    ) -> None:
        """Wait for the spec's streams; with `touch` for those of its fingertips too."""
        self.spec = spec
        self.episode_id = episode_id
        self.frames = FrameBuffer() if frames is None else frames
        self.reference = next(iter(spec.cameras))  # the camera whose stamps are the instants
        state = spec.streams['joint_states']
        self._cameras = {
            name: StreamBuffer(spec.streams[name], IMAGE_CAPACITY, name) for name in spec.cameras}
        self._tactile = {
            name: StreamBuffer(spec.streams['tactile'], IMAGE_CAPACITY, f'tactile/{name}')
            for name in spec.tactile} if touch else {}
        self._wrench = StreamBuffer(
            spec.streams['wrench'], STATE_CAPACITY, 'wrench') if touch else None
        self._joints = StreamBuffer(state, STATE_CAPACITY, 'joint_states')
        self._gripper = StreamBuffer(state, STATE_CAPACITY, 'gripper')
        self._columns: dict[tuple[str, ...], tuple[np.ndarray | None, np.ndarray | None]] = {}

    def on_episode(self, episode_id: str) -> None:
        """Put `episode_id` on the observations from now on."""
        self.episode_id = episode_id

    def on_image(
        self, camera: str, stamp_ns: int, image: np.ndarray, now_ns: int | None = None
    ) -> None:
        """Take a frame (H, W, 3) uint8 RGB; with `now_ns` refuse one from the future."""
        if camera not in self._cameras:
            raise UnknownNameError('camera', camera, self._cameras)
        _check_image(f'camera {camera!r}', image, self.spec.cameras[camera])
        self._refuse_future(camera, stamp_ns, now_ns)
        _push(self._cameras[camera], stamp_ns, image)

    def on_tactile(self, finger: str, stamp_ns: int, image: np.ndarray) -> None:
        """Take the gel picture (H, W, 3) uint8 RGB of a finger."""
        if finger not in self._tactile:
            raise UnknownNameError('finger', finger, self._tactile)
        _check_image(f'tactile {finger!r}', image, self.spec.tactile[finger])
        _push(self._tactile[finger], stamp_ns, image)

    def on_wrench(self, stamp_ns: int, wrench: np.ndarray) -> None:
        """Take force [N] and torque [Nm] (6,) at the tool."""
        if self._wrench is None:
            raise InvalidDataError('wrench: got one, allowed none without touch')
        if not np.isfinite(wrench).all():
            raise InvalidDataError(f'wrench: got {wrench.tolist()}, allowed 6 finite numbers')
        _push(self._wrench, stamp_ns, wrench)

    def on_joint_state(
        self,
        stamp_ns: int,
        names: Sequence[str],
        position: np.ndarray,
        velocity: np.ndarray,
        now_ns: int | None = None,
    ) -> None:
        """Take a JointState of the arm, the fingers or both, in any order of names.

        Position [rad or m] and velocity are (len(names),). Other joints are ignored; a part of
        the arm, no velocity or a number that is not finite is an error.
        """
        arm, fingers = self._columns_of(tuple(names))
        self._refuse_future('joint_states', stamp_ns, now_ns)
        position = _finite('position', position, len(names))
        if arm is not None:
            velocity = _finite('velocity', velocity, len(names))
            _push(self._joints, stamp_ns, np.stack([position[arm], velocity[arm]]))
        if fingers is not None:
            opening = float(position[fingers].sum()) / self.spec.gripper.open_m
            _push(self._gripper, stamp_ns, opening)

    def on_transform(self, parent: str, child: str, stamp_ns: int, pose: np.ndarray) -> None:
        """Take where `child` is in `parent` (7,) at `stamp_ns`."""
        self.frames.set(parent, child, stamp_ns, pose)

    def on_static_transform(self, parent: str, child: str, pose: np.ndarray) -> None:
        """Take where `child` always is in `parent` (7,)."""
        self.frames.set_static(parent, child, pose)

    def newest_ns(self) -> int | None:
        """Return the stamp of the reference camera's newest frame [ns]; None without one."""
        return self._cameras[self.reference].newest_ns

    def waiting_for(self, stamp_ns: int) -> tuple[str, ...]:
        """Return the streams without a sample of exactly this stamp; lockstep waits for them."""
        streams = (*self._buffers(), self._joints, self._gripper)
        missing = [stream.name for stream in streams if not stream.has(stamp_ns)]
        newest = self._tf_newest_ns()
        return (*missing, *(['tf'] if newest is None or newest < stamp_ns else []))

    def ages_s(self, now_ns: int) -> dict[str, float]:
        """Return the age of every stream's newest sample [s], for diagnostics; inf: none yet."""
        newest = {s.name: s.newest_ns for s in (
            *self._buffers(), self._joints, self._gripper)}
        newest['tf'] = self._tf_newest_ns()
        return {
            name: np.inf if stamp is None else (now_ns - stamp) / 1e9
            for name, stamp in newest.items()}

    def assemble(self, stamp_ns: int) -> Observation:
        """Return what is known of the instant `stamp_ns`.

        Raise StaleStreamError or MissingStreamError naming the first stream that has nothing
        fresh: no value is ever made up.
        """
        images = {name: buffer.at(stamp_ns) for name, buffer in self._cameras.items()}
        tactile = {name: buffer.at(stamp_ns) for name, buffer in self._tactile.items()}
        wrench = None if self._wrench is None else self._wrench.at(stamp_ns)
        joints, gripper = self._joints.at(stamp_ns), self._gripper.at(stamp_ns)
        tool = self._tool_pose(stamp_ns)
        ages = {name: sample.age_s for name, sample in images.items()}
        if wrench is not None:
            ages['tactile'] = max((sample.age_s for sample in tactile.values()), default=0.0)
            ages['wrench'] = wrench.age_s
        return Observation(
            stamp_ns=stamp_ns,
            episode_id=self.episode_id,
            images={name: sample.value for name, sample in images.items()},
            joint_position=joints.value[0],
            joint_velocity=joints.value[1],
            tool_pose=tool.value,
            gripper=gripper.value,
            tactile={name: sample.value for name, sample in tactile.items()},
            wrench=None if wrench is None else wrench.value,
            age_s={
                **ages, 'joint_states': max(joints.age_s, gripper.age_s), 'tf': tool.age_s},
        )

    def _buffers(self) -> tuple[StreamBuffer, ...]:
        """Return the streams of cameras and fingertips."""
        wrench = () if self._wrench is None else (self._wrench,)
        return (*self._cameras.values(), *self._tactile.values(), *wrench)

    def _tool_pose(self, stamp_ns: int) -> Sample:
        """Look the tool up; if tf lags by less than it may, its newest pose and age count."""
        base, tool = self.spec.base_frame, self.spec.tool_frame
        allowed_s = self.spec.streams['tf'].max_age_s
        try:
            return Sample(self.frames.lookup(base, tool, stamp_ns), 0.0)
        except NO_TRANSFORM as error:
            raise MissingStreamError('tf', allowed_s, str(error)) from error
        except TooNewError:
            newest = self.frames.latest_common_ns(base, tool)
        age_s = (stamp_ns - newest) / 1e9
        if not 0.0 <= age_s <= allowed_s:
            raise StaleStreamError('tf', age_s, allowed_s)
        return Sample(self.frames.lookup(base, tool, newest), age_s)

    def _tf_newest_ns(self) -> int | None:
        try:
            return self.frames.latest_common_ns(self.spec.base_frame, self.spec.tool_frame)
        except NO_TRANSFORM:
            return None

    def _refuse_future(self, stream: str, stamp_ns: int, now_ns: int | None) -> None:
        ahead_s = 0.0 if now_ns is None else (stamp_ns - now_ns) / 1e9
        if ahead_s > self.spec.policy.max_future_s:
            raise InvalidDataError(
                f'stream {stream!r}: got a stamp {ahead_s:.3f} s in the future, '
                f'allowed {self.spec.policy.max_future_s:.3f} s')

    def _columns_of(
        self, names: tuple[str, ...]
    ) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Return where the arm's and the fingers' joints are in a message of these names."""
        if names not in self._columns:
            arm, fingers = self.spec.joints.names, self.spec.gripper.joints
            found = _indices(names, arm), _indices(names, fingers)
            if found[0] is None and found[1] is None:
                raise InvalidDataError(
                    f'joint_states: got {list(names)}, allowed all of {list(arm)} '
                    f'or of {list(fingers)}')
            self._columns[names] = found
        return self._columns[names]


def _check_image(what: str, image: np.ndarray, size: CameraSpec) -> None:
    if image.shape != (size.height, size.width, 3) or image.dtype != np.uint8:
        raise InvalidDataError(
            f'{what}: got {image.shape} {image.dtype}, '
            f'allowed {(size.height, size.width, 3)} uint8')


def _indices(names: tuple[str, ...], wanted: tuple[str, ...]) -> np.ndarray | None:
    present = [name for name in wanted if name in names]
    if not present:
        return None
    if len(present) < len(wanted):
        raise InvalidDataError(
            f'joint_states: got {list(names)}, allowed all of {list(wanted)} or none')
    return np.array([names.index(name) for name in wanted])


def _finite(what: str, values: np.ndarray, count: int) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (count,) or not np.isfinite(values).all():
        raise InvalidDataError(
            f'joint_states: got {what} {values.tolist()}, allowed {count} finite numbers')
    return values


def _push(stream: StreamBuffer, stamp_ns: int, value: np.ndarray | float) -> None:
    newest = stream.newest_ns
    if newest is not None and stamp_ns == newest:
        stream.replace_newest(value)
        return
    if newest is not None and stamp_ns < newest - JUMP_BACK_NS:
        stream.clear()
    stream.push(stamp_ns, value)
