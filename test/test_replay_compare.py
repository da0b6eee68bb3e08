"""Laws of the golden file and of the comparison with it."""

from dataclasses import replace
from pathlib import Path
import zipfile

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from replay_bags import GOLDEN
from vla_bringup.replay.compare import compare, shift_between, TOLERANCE
from vla_bringup.replay.golden import load, Recording, save
from vla_bringup.replay.moment import Moment
from vla_bringup.replay.plot import draw_replay
from vla_core.errors import InvalidDataError


@pytest.fixture(scope='module')
def golden() -> Recording:
    return load(GOLDEN)


def changed(golden: Recording, step: int, **fields: object) -> list[Moment]:
    moments = list(golden.moments)
    moments[step] = replace(moments[step], **fields)
    return moments


def test_a_golden_file_keeps_every_bit(golden: Recording, tmp_path: Path) -> None:
    save(tmp_path / 'again.npz', golden)
    again = load(tmp_path / 'again.npz')
    assert again.identity == golden.identity and again.end == golden.end
    assert [m.seen for m in again.moments] == [m.seen for m in golden.moments]
    assert not compare(again.moments, golden.moments, 0.0).differences


def test_what_the_planner_ended_is_kept(golden: Recording, tmp_path: Path) -> None:
    ended = replace(golden, end='done', moments=(
        *golden.moments[:3], replace(golden.moments[3], chunk=None, subtask='', progress=0.0)))
    save(tmp_path / 'ended.npz', ended)
    assert load(tmp_path / 'ended.npz').moments[3].chunk is None


@pytest.mark.parametrize('damage', [
    lambda data: data[:200], lambda data: b'', lambda data: b'PK' + data[:50],
    lambda data: data[:300] + bytes(400) + data[700:]])
def test_a_corrupt_golden_file_is_one_line(tmp_path: Path, damage) -> None:
    (tmp_path / 'bad.npz').write_bytes(damage(GOLDEN.read_bytes()))
    with pytest.raises(InvalidDataError, match=r'bad\.npz: corrupt') as caught:
        load(tmp_path / 'bad.npz')
    assert '\n' not in str(caught.value)


def test_a_pickle_in_a_golden_file_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / 'sly.npz', header=np.array([{}], dtype=object))
    assert zipfile.is_zipfile(tmp_path / 'sly.npz')
    with pytest.raises(InvalidDataError, match='corrupt'):
        load(tmp_path / 'sly.npz')


def test_nothing_differs_from_itself(golden: Recording) -> None:
    result = compare(golden.moments, golden.moments, 0.0)
    assert not result.differences and result.line == '' and result.compared == 44


def test_within_one_step_the_cause_is_named_first(golden: Recording) -> None:
    moment = golden.moments[7]
    got = changed(golden, 7, chunk=moment.chunk + np.float32(1e-3), subtask='dance',
                  gripper=moment.gripper - 0.5)
    result = compare(got, golden.moments)
    assert result.first.stream == 'gripper' and result.line.startswith('step 7 at 0.583 s: ')
    assert {d.stream for d in result.differences} >= {'gripper', 'subtask', 'action xyz'}


def test_the_tolerance_is_of_the_largest_row(golden: Recording) -> None:
    chunk = golden.moments[3].chunk.copy()
    chunk[-1, 1] += np.float32(2 * TOLERANCE)
    result = compare(changed(golden, 3, chunk=chunk), golden.moments)
    assert 'action xyz is 2e-05 m off in row 11 (0 in row 0)' in result.line
    assert not compare(changed(golden, 3, chunk=chunk), golden.moments, 1e-4).differences


def test_numbers_that_are_none_never_pass(golden: Recording) -> None:
    chunk = golden.moments[3].chunk.copy()
    chunk[0, 0] = np.nan
    assert compare(changed(golden, 3, chunk=chunk), golden.moments).first.step == 3


def test_a_missing_chunk_and_a_missing_step_are_named(golden: Recording) -> None:
    silent = compare(changed(golden, 5, chunk=None), golden.moments)
    assert 'action: got none, golden 12 rows of 7' in silent.line
    short = compare(golden.moments[:40], golden.moments)
    assert 'instant: got the end after 40 steps' in short.line
    assert not compare(golden.moments[:40], golden.moments, whole=False).differences


@settings(deadline=None)
@given(st.lists(st.text('abc', min_size=4, max_size=8), min_size=6, max_size=40, unique=True),
       st.sampled_from([-2, -1, 1, 2]))
def test_a_shift_is_found_whatever_the_pictures(frames: list[str], by: int) -> None:
    late = frames[:1] * max(by, 0) + frames[max(-by, 0):] + frames[-1:] * max(-by, 0)
    assert shift_between(late[:len(frames)], frames) == by
    assert shift_between(frames, frames) is None


def test_the_plot_is_drawn(golden: Recording, tmp_path: Path) -> None:
    got = changed(golden, 9, chunk=golden.moments[9].chunk + np.float32(0.01))
    draw_replay(tmp_path / 'plot.png', got, golden.moments, compare(got, golden.moments),
                TOLERANCE, 'a bag')
    assert (tmp_path / 'plot.png').stat().st_size > 10_000
