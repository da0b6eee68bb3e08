"""The gel: its picture follows geometry, force and softness, and nothing else."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from vla_core.geometry import rotvec_to_quat
from vla_sim.gel.config import GelConfig, pixel_grid
from vla_sim.gel.relief import Ridges
from vla_sim.gel.sensor import GelSensor
from vla_sim.gel.shape import Box, nearest, Sphere
from vla_sim.gel.surface import indentation
from vla_sim.gel.touch import Press, Touch

RIGID = float('inf')
PAD = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
CONFIG = GelConfig()
PERIOD = 0.003


def at(x: float, y: float, z: float, turn: tuple = (0.0, 0.0, 0.0)) -> np.ndarray:
    return np.array([x, y, z, *rotvec_to_quat(np.array(turn))])


def edge(turn: float = 0.0) -> Box:
    """A block whose upper edge lies across the pad."""
    return Box(at(0.0, 0.018, 0.02, (0.0, 0.0, turn)), (0.02, 0.02, 0.02), 0.001)


def press(shape, force: float, stiffness: float = RIGID, shear: tuple = (0.0, 0.0)) -> Press:
    return Press(PAD, (Touch((shape,), force, stiffness, shear),))


@pytest.fixture(scope='module')
def gel() -> GelSensor:
    return GelSensor(CONFIG, np.random.default_rng(3))


def test_untouched_gel_is_the_same_picture_whatever_came_before(gel) -> None:
    flat = gel.render(Press(PAD))
    assert flat.shape == (72, 96, 3) and flat.dtype == np.uint8
    gel.render(press(edge(), 20.0))
    gel.render(Press(PAD))[:] = 0  # what a caller does with its picture is its own
    assert (gel.render(Press(PAD)) == flat).all()
    assert (gel.render(press(edge(), 0.0)) == flat).all()
    assert (gel.render(press(Sphere(at(0.05, 0.0, 0.0), 0.01), 5.0)) == flat).all()  # beside it


def test_more_force_changes_more_of_the_picture(gel) -> None:
    flat = gel.render(Press(PAD)).astype(int)
    ball = Sphere(at(0.0, 0.0, 0.008), 0.008)
    changed = [int((np.abs(gel.render(press(ball, force)) - flat) > 6).any(axis=2).sum())
               for force in (0.5, 2.0, 6.0, 12.0)]
    assert 0 < changed[0] and all(a < b for a, b in zip(changed, changed[1:]))


@given(force=st.floats(0.5, 20.0), x=st.floats(-0.012, 0.012), turn=st.floats(-0.6, 0.6),
       ball=st.booleans())
@settings(max_examples=25, deadline=None)
def test_springs_under_a_rigid_thing_carry_its_force(force, x, turn, ball) -> None:
    shape = Sphere(at(x, 0.0, 0.010), 0.010) if ball else edge(turn)
    distance = nearest((shape,), PAD, *pixel_grid(CONFIG))
    depth = indentation(CONFIG, distance, force, RIGID).astype(np.float64)
    carried = CONFIG.stiffness * CONFIG.pixel_m**2 * depth.sum()
    bottomed = depth.max() > 0.999 * CONFIG.depth_max_m
    assert carried < force * 1.001 and (bottomed or carried > force * 0.999)


def test_soft_thing_sinks_in_less_and_spreads_wider_at_equal_force(gel) -> None:
    for shape in (Sphere(at(0.0, 0.0, 0.008), 0.008),
                  Box(at(0.0, 0.0, 0.02), (0.004, 0.004, 0.02), 0.003)):
        hard, soft = (
            indentation(CONFIG, nearest((shape,), PAD, *pixel_grid(CONFIG)), 3.0, stiffness)
            for stiffness in (RIGID, 3e7))
        assert soft.max() < 0.8 * hard.max()
        assert (soft > 0).sum() > 1.2 * (hard > 0).sum()


def test_more_pixels_show_the_same_gel() -> None:
    ball = Sphere(at(0.001, 0.002, 0.008), 0.008)
    areas, depths = [], []
    for width, height in ((96, 72), (160, 120)):
        config = GelConfig(width_px=width, height_px=height)
        depth = indentation(config, nearest((ball,), PAD, *pixel_grid(config)), 3.0, RIGID)
        areas.append((depth > 0).sum() * config.pixel_m**2)
        depths.append(depth.max())
        picture = GelSensor(config, np.random.default_rng(0)).render(press(ball, 3.0))
        assert picture.shape == (height, width, 3)
    assert areas[0] == pytest.approx(areas[1], rel=0.03)
    assert depths[0] == pytest.approx(depths[1], rel=0.02)


def test_ridges_show_their_period(gel) -> None:
    ridged = Box(at(0.0, 0.0, 0.02, (np.pi / 2, 0.0, 0.0)), (0.02, 0.02, 0.02),
                 relief=Ridges(PERIOD, 0.0008))  # ridges run along x, one after the other in y
    picture = gel.render(press(ridged, 10.0)).astype(float)
    profile = picture[..., 2].mean(axis=1)
    power = np.abs(np.fft.rfft(profile - profile.mean(), n=4096))
    period = CONFIG.pixel_m * 4096 / int(np.argmax(power))
    assert period == pytest.approx(PERIOD, rel=0.1)


@pytest.mark.parametrize(('shape', 'mirrored'), [
    (edge(0.3), edge(-0.3)),
    (Sphere(at(0.005, 0.002, 0.01), 0.01), Sphere(at(-0.005, 0.002, 0.01), 0.01)),
])
def test_mirrored_thing_gives_the_mirrored_picture_with_its_lamps_swapped(shape, mirrored) -> None:
    quiet = GelSensor(GelConfig(noise_levels=0.0), np.random.default_rng(0))
    one = quiet.render(press(shape, 8.0, shear=(3.0, 2.0))).astype(int)
    other = quiet.render(press(mirrored, 8.0, shear=(-3.0, 2.0))).astype(int)
    assert np.abs(one - other[:, ::-1][..., [1, 0, 2]]).max() <= 3  # rounding of the dots
    assert np.abs(one - other).max() > 20


def test_dots_move_the_way_the_gel_is_sheared() -> None:
    gel = GelSensor(GelConfig(noise_levels=0.0), np.random.default_rng(0))
    plate = Box(at(0.0, 0.0, 0.02), (0.05, 0.05, 0.02))  # flat on all of the gel: no shading
    still = gel.render(press(plate, 10.0)).astype(int)
    for shear, axis, sign in (((4.0, 0.0), 1, 1), ((0.0, -4.0), 0, -1)):
        moved = gel.render(press(plate, 10.0, shear=shear)).astype(int)
        shift = round(4.0 * CONFIG.shear_compliance / CONFIG.pixel_m)
        ahead = np.abs(np.roll(still, sign * shift, axis) - moved).mean()
        assert ahead < 0.3 * np.abs(still - moved).mean()


def test_equal_generators_make_equal_sensors_and_others_differ_by_noise_only() -> None:
    one, same, other = (GelSensor(CONFIG, np.random.default_rng(s)) for s in (1, 1, 2))
    seen = press(edge(), 9.0)
    assert (one.render(seen) == same.render(seen)).all()
    apart = np.abs(one.render(seen).astype(int) - other.render(seen))
    assert 0 < apart.max() < 10
