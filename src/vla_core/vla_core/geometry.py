"""Rigid-body geometry on plain arrays: poses, quaternions, rotation vectors, 6D rotations.

A pose is (7,) float64: x y z [m], qx qy qz qw; a quaternion (4,) is xyzw and of unit length.
A rotation vector (3,) is axis times angle [rad]. Inputs are trusted to be finite and unit.
The control loop calls these hundreds of times a second on single poses, where arithmetic on
Python floats beats NumPy on seven numbers several times over; hence the style of this file.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from math import asin, atan2, cos, hypot, pi, sin, sqrt

import numpy as np
from vla_core.errors import InvalidDataError

IDENTITY_POSE = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
IDENTITY_POSE.flags.writeable = False
TINY = 1e-8  # [rad] below it sin(x) == x and cos(x) == 1 in float64

Floats = Sequence[float]


def _floats(array: np.ndarray | Floats) -> Floats:
    """Return the numbers as Python floats, which are several times faster than NumPy's."""
    return array.tolist() if isinstance(array, np.ndarray) else array


def _canonical(x: float, y: float, z: float, w: float) -> np.ndarray:
    """Return the unit quaternion of the same rotation whose first non-zero of w x y z is > 0."""
    scale = 1.0 / sqrt(x * x + y * y + z * z + w * w)
    if (w, x, y, z) < (0.0, 0.0, 0.0, 0.0):
        scale = -scale
    return np.array([x * scale, y * scale, z * scale, w * scale])


def _multiply(a: Floats, b: Floats) -> tuple[float, float, float, float]:
    ax, ay, az, aw = a
    bx, by, bz, bw = b
    return (
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
        aw * bw - ax * bx - ay * by - az * bz,
    )


def _rotate(
    x: float, y: float, z: float, w: float, vx: float, vy: float, vz: float
) -> tuple[float, float, float]:
    """Rotate v by the quaternion: v + 2 w (u x v) + 2 u x (u x v)."""
    tx = 2.0 * (y * vz - z * vy)
    ty = 2.0 * (z * vx - x * vz)
    tz = 2.0 * (x * vy - y * vx)
    return (
        vx + w * tx + y * tz - z * ty,
        vy + w * ty + z * tx - x * tz,
        vz + w * tz + x * ty - y * tx,
    )


def quat_multiply(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the Hamilton product (4,): rotate by `b`, then by `a`."""
    return np.array(_multiply(_floats(a), _floats(b)))


def quat_normalize(quat: np.ndarray) -> np.ndarray:
    """Return the quaternion (4,) at unit length; raise InvalidDataError for one without."""
    x, y, z, w = _floats(quat)
    norm = sqrt(x * x + y * y + z * z + w * w)
    if not TINY < norm < float('inf'):
        raise InvalidDataError(f'quaternion: got {[x, y, z, w]}, allowed a finite non-zero one')
    return np.array([x / norm, y / norm, z / norm, w / norm])


def rotate(quat: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Return `vector` (3,) turned by `quat` (4,)."""
    return np.array(_rotate(*_floats(quat), *_floats(vector)))


def quat_to_matrix(quat: np.ndarray) -> np.ndarray:
    """Return the rotation matrix (3, 3) of a unit quaternion."""
    x, y, z, w = _floats(quat)
    xx, yy, zz = x * x, y * y, z * z
    xy, xz, yz = x * y, x * z, y * z
    wx, wy, wz = w * x, w * y, w * z
    return np.array([
        [1.0 - 2.0 * (yy + zz), 2.0 * (xy - wz), 2.0 * (xz + wy)],
        [2.0 * (xy + wz), 1.0 - 2.0 * (xx + zz), 2.0 * (yz - wx)],
        [2.0 * (xz - wy), 2.0 * (yz + wx), 1.0 - 2.0 * (xx + yy)],
    ])


def matrix_to_quat(matrix: np.ndarray) -> np.ndarray:
    """Return the quaternion (4,), w >= 0, of a rotation matrix (3, 3) (Shepperd 1978)."""
    (a, b, c), (d, e, f), (g, h, i) = _floats(matrix)
    trace = a + e + i
    largest = max(a, e, i, trace)
    if largest == trace:
        return _canonical(h - f, c - g, d - b, 1.0 + trace)
    if largest == a:
        return _canonical(1.0 + a - e - i, b + d, c + g, h - f)
    if largest == e:
        return _canonical(b + d, 1.0 + e - a - i, f + h, c - g)
    return _canonical(c + g, f + h, 1.0 + i - a - e, d - b)


def rotvec_to_quat(rotvec: np.ndarray) -> np.ndarray:
    """Return the quaternion (4,), w >= 0, of a rotation vector (3,) [rad]."""
    x, y, z = _floats(rotvec)
    angle = hypot(x, y, z)
    scale = 0.5 if angle < TINY else sin(0.5 * angle) / angle
    return _canonical(x * scale, y * scale, z * scale, cos(0.5 * angle))


def quat_to_rotvec(quat: np.ndarray) -> np.ndarray:
    """Return the rotation vector (3,) [rad], at most pi long, of a unit quaternion."""
    return np.array(_rotvec(*_floats(quat)))


def _rotvec(x: float, y: float, z: float, w: float) -> tuple[float, float, float]:
    if w < 0.0:
        x, y, z, w = -x, -y, -z, -w
    norm = hypot(x, y, z)
    scale = 2.0 if norm < TINY else 2.0 * atan2(norm, w) / norm
    return x * scale, y * scale, z * scale


def rotation_6d_encode(matrix: np.ndarray) -> np.ndarray:
    """Return the first two columns of (..., 3, 3) one after the other: (..., 6).

    The continuous rotation representation of Zhou et al., CVPR 2019.
    """
    matrix = np.asarray(matrix)
    return np.concatenate([matrix[..., :, 0], matrix[..., :, 1]], axis=-1)


def rotation_6d_decode(code: np.ndarray) -> np.ndarray:
    """Return the rotation (..., 3, 3) nearest in Gram-Schmidt's sense to any code (..., 6).

    Raise InvalidDataError where the two vectors are zero or parallel: no rotation is near.
    """
    code = np.asarray(code, dtype=np.float64)
    first = _unit(code[..., :3])
    second = code[..., 3:]
    second = _unit(second - (first * second).sum(-1, keepdims=True) * first)
    return np.stack([first, second, np.cross(first, second)], axis=-1)


def _unit(vector: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(vector, axis=-1, keepdims=True)
    if not ((norm > TINY) & np.isfinite(norm)).all():
        raise InvalidDataError(
            'rotation 6D: got zero, parallel or non-finite vectors, allowed two independent ones')
    return vector / norm


def slerp(q0: np.ndarray, q1: np.ndarray, s: float) -> np.ndarray:
    """Return the quaternion (4,) at fraction `s` of the shorter way from `q0` to `q1`."""
    return np.array(_slerp(_floats(q0), _floats(q1), s))


def _slerp(q0: Floats, q1: Floats, s: float) -> Floats:
    """Interpolate; the ends are exact up to the sign of `q1`, which follows that of `q0`."""
    ax, ay, az, aw = q0
    bx, by, bz, bw = q1
    if ax * bx + ay * by + az * bz + aw * bw < 0.0:
        bx, by, bz, bw = -bx, -by, -bz, -bw
    if s == 0.0:
        return q0
    if s == 1.0:
        return bx, by, bz, bw
    omega = 2.0 * atan2(  # the angle between them in 4D, accurate where acos(dot) is not
        sqrt((ax - bx) ** 2 + (ay - by) ** 2 + (az - bz) ** 2 + (aw - bw) ** 2),
        sqrt((ax + bx) ** 2 + (ay + by) ** 2 + (az + bz) ** 2 + (aw + bw) ** 2))
    if omega < TINY:
        k0, k1 = 1.0 - s, s
    else:
        k0, k1 = sin((1.0 - s) * omega) / sin(omega), sin(s * omega) / sin(omega)
    x, y, z, w = k0 * ax + k1 * bx, k0 * ay + k1 * by, k0 * az + k1 * bz, k0 * aw + k1 * bw
    scale = 1.0 / sqrt(x * x + y * y + z * z + w * w)
    return x * scale, y * scale, z * scale, w * scale


def compose(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return T_ac (7,) of `a` = T_ab and `b` = T_bc, its quaternion renormalised."""
    return np.array(compose_floats(_floats(a), _floats(b)))


def compose_floats(a: Floats, b: Floats) -> Floats:
    """Compose as `compose` does, seven floats each, for whoever folds long chains."""
    ax, ay, az, aqx, aqy, aqz, aqw = a
    bx, by, bz, bqx, bqy, bqz, bqw = b
    x, y, z = _rotate(aqx, aqy, aqz, aqw, bx, by, bz)
    qx = aqw * bqx + aqx * bqw + aqy * bqz - aqz * bqy
    qy = aqw * bqy - aqx * bqz + aqy * bqw + aqz * bqx
    qz = aqw * bqz + aqx * bqy - aqy * bqx + aqz * bqw
    qw = aqw * bqw - aqx * bqx - aqy * bqy - aqz * bqz
    n = 1.0 / sqrt(qx * qx + qy * qy + qz * qz + qw * qw)
    return ax + x, ay + y, az + z, qx * n, qy * n, qz * n, qw * n


def compose_chain(poses: Iterable[np.ndarray]) -> np.ndarray:
    """Return the product (7,) of `poses`, folded from the left, so equal inputs give equal bits.

    A single pose comes back as it is, no pose as the identity.
    """
    floats = [_floats(pose) for pose in poses]
    return np.array(reduce(compose_floats, floats) if floats else IDENTITY_POSE)


def inverse(pose: np.ndarray) -> np.ndarray:
    """Return T_ba (7,) of `pose` = T_ab."""
    px, py, pz, qx, qy, qz, qw = _floats(pose)
    x, y, z = _rotate(-qx, -qy, -qz, qw, -px, -py, -pz)
    return np.array([x, y, z, -qx, -qy, -qz, qw])


def transform_point(pose: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Return `point` (3,) [m] of frame b in frame a, with `pose` = T_ab."""
    px, py, pz, qx, qy, qz, qw = _floats(pose)
    x, y, z = _rotate(qx, qy, qz, qw, *_floats(point))
    return np.array([px + x, py + y, pz + z])


def pose_to_matrix(pose: np.ndarray) -> np.ndarray:
    """Return the homogeneous matrix (4, 4) of a pose (7,)."""
    matrix = np.eye(4)
    matrix[:3, :3] = quat_to_matrix(pose[3:])
    matrix[:3, 3] = pose[:3]
    return matrix


def matrix_to_pose(matrix: np.ndarray) -> np.ndarray:
    """Return the pose (7,), qw >= 0, of a homogeneous matrix (4, 4)."""
    return np.concatenate([matrix[:3, 3], matrix_to_quat(matrix[:3, :3])])


def interpolate_pose(p0: np.ndarray, p1: np.ndarray, s: float) -> np.ndarray:
    """Return the pose (7,) at fraction `s`: a straight line and the shorter turn; ends exact."""
    return np.array(interpolate_floats(_floats(p0), _floats(p1), s))


def interpolate_floats(a: Floats, b: Floats, s: float) -> Floats:
    """Interpolate as `interpolate_pose` does, seven floats each."""
    ax, ay, az, aqx, aqy, aqz, aqw = a
    bx, by, bz, bqx, bqy, bqz, bqw = b
    x, y, z, w = _slerp((aqx, aqy, aqz, aqw), (bqx, bqy, bqz, bqw), s)
    if s == 1.0:  # the sum below may miss the end by one bit
        return bx, by, bz, x, y, z, w
    return ax + s * (bx - ax), ay + s * (by - ay), az + s * (bz - az), x, y, z, w


def apply_delta(pose: np.ndarray, delta: np.ndarray) -> np.ndarray:
    """Return `pose` (7,) moved by `delta` (6,): metres and rotation vector, both in base axes.

    The translation is added, the rotation is multiplied from the left: the tool turns about
    itself and does not swing about the base.
    """
    px, py, pz, *quat = _floats(pose)
    dx, dy, dz, *rotvec = _floats(delta)
    qx, qy, qz, qw = _multiply(_floats(rotvec_to_quat(rotvec)), quat)
    n = 1.0 / sqrt(qx * qx + qy * qy + qz * qz + qw * qw)
    return np.array([px + dx, py + dy, pz + dz, qx * n, qy * n, qz * n, qw * n])


def delta_between(pose_a: np.ndarray, pose_b: np.ndarray) -> np.ndarray:
    """Return the delta (6,) with `apply_delta(pose_a, delta)` equal to `pose_b`."""
    ax, ay, az, aqx, aqy, aqz, aqw = _floats(pose_a)
    bx, by, bz, *quat = _floats(pose_b)
    turn = _rotvec(*_multiply(quat, (-aqx, -aqy, -aqz, aqw)))
    return np.array([bx - ax, by - ay, bz - az, *turn])


def pose_distance(pose_a: np.ndarray, pose_b: np.ndarray) -> tuple[float, float]:
    """Return the distance [m] and the angle 0..pi [rad] between two poses."""
    dx, dy, dz, rx, ry, rz = _floats(delta_between(pose_a, pose_b))
    return hypot(dx, dy, dz), hypot(rx, ry, rz)


def euler_encode(quat: np.ndarray) -> np.ndarray:
    """Return roll, pitch, yaw (3,) [rad] about fixed axes (REP-103); for file edges only.

    At pitch +-pi/2 roll is 0 by choice: the rotation is kept, the angles are not unique.
    """
    x, y, z, w = _floats(quat)
    sin_pitch = 2.0 * (w * y - x * z)
    if abs(sin_pitch) > 1.0 - 1e-12:
        yaw = 2.0 * atan2(z, w) if abs(w) + abs(z) > TINY else -2.0 * atan2(x, y)
        pitch = pi / 2.0 if sin_pitch > 0.0 else -pi / 2.0
        return np.array([0.0, pitch, (yaw + pi) % (2.0 * pi) - pi])
    roll = atan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    yaw = atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    return np.array([roll, asin(sin_pitch), yaw])


def euler_decode(euler: np.ndarray) -> np.ndarray:
    """Return the quaternion (4,), w >= 0, of roll, pitch, yaw (3,) [rad] about fixed axes."""
    roll, pitch, yaw = (0.5 * angle for angle in _floats(euler))
    turn = _multiply((0.0, sin(pitch), 0.0, cos(pitch)), (sin(roll), 0.0, 0.0, cos(roll)))
    return _canonical(*_multiply((0.0, 0.0, sin(yaw), cos(yaw)), turn))
