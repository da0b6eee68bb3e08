"""A change anywhere on the way from the sensors to the actions is caught and named."""

from collections.abc import Callable
import json
import os
from pathlib import Path

import pytest
from replay_bags import (
    BAG,
    frames_moved,
    GOLDEN,
    pictures_late,
    rewritten,
    scaled_checkpoint,
    stamps_back,
    without,
)
from vla_bringup.cli import main
from vla_bringup.replay.compare import compare, TOLERANCE
from vla_bringup.replay.golden import load
from vla_bringup.replay.run import ReplayConfig
from vla_bringup.replay.testing import assert_replays, replay
from vla_core.errors import InvalidDataError

MATRIX = 'l1.out.weight'


def children() -> list[str]:
    return [child for task in Path('/proc/self/task').iterdir()
            for child in (task / 'children').read_text().split()]


def first_difference(bag: Path, **options: object) -> str:
    golden = load(GOLDEN)
    return compare(replay(ReplayConfig(bag, **options)).moments, golden.moments).line


# --- what must be the same --------------------------------------------------------------------

def test_the_bag_of_the_repository_replays() -> None:
    assert assert_replays(BAG).largest_action <= TOLERANCE


def test_two_replays_are_identical_bit_by_bit_on_one_or_two_threads() -> None:
    first, second, threaded = (
        replay(ReplayConfig(BAG, threads=threads)).moments for threads in (1, 1, 2))
    for other in (second, threaded):
        assert [m.seen for m in first] == [m.seen for m in other]
        assert all((a.chunk == b.chunk).all() for a, b in zip(first, other))


# --- what must be caught ----------------------------------------------------------------------

@pytest.mark.parametrize(('change', 'words'), [
    (pictures_late, 'wrist image is shifted by 1 frame, too late: wrist image differs'),
    (frames_moved(0.01), 'step 0 at 0.000 s: tool_pose is 0.0100 m off'),
    (lambda said: [m for m in said if m[0] != '/static/image' or m[1] < said[-1][1] - 9e8],
     'instant: got the end after'),
])
def test_a_changed_stream_is_named(
    tmp_path: Path, change: Callable[[list], list], words: str,
) -> None:
    assert words in first_difference(rewritten(tmp_path / 'changed', change))


def test_weights_that_changed_by_a_hundredth_are_caught(tmp_path: Path) -> None:
    mine = scaled_checkpoint(tmp_path / 'mine', MATRIX, 1.01)
    with pytest.raises(AssertionError, match='step 0 at 0.000 s: action'):
        assert_replays(BAG, policy=mine)


def test_the_command_tells_the_first_difference_a_table_and_a_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture,
) -> None:
    mine = scaled_checkpoint(tmp_path / 'mine', MATRIX, 1.01)
    code = main(['replay', str(BAG), '--policy', str(mine), '--in-process',
                 '--out', str(tmp_path / 'out'), '--json', str(tmp_path / 'out.json')])
    told = capsys.readouterr().out
    assert code == 1
    assert told.splitlines()[1].startswith('step 0 at 0.000 s: action')
    assert 'action xyz' in told and 'other weights' in told
    assert (tmp_path / 'out' / 'replay.png').exists()
    results = json.loads((tmp_path / 'out.json').read_text())
    assert not results['same'] and results['x_real_time'] > 0


# --- bad input: one line, exit code 2, nothing started ----------------------------------------

def another_policy(folder: Path) -> Path:
    policy = scaled_checkpoint(folder / 'other', MATRIX, 1.0)
    statistics = json.loads((policy / 'statistics.json').read_text())
    statistics['state_mean'][0] += 0.25
    (policy / 'statistics.json').write_text(json.dumps(statistics))
    return policy


def corrupt(folder: Path) -> Path:
    (folder / 'corrupt.npz').write_bytes(GOLDEN.read_bytes()[:999])
    return folder / 'corrupt.npz'


@pytest.mark.parametrize(('arguments', 'words'), [
    (lambda f: [f / 'none'], 'none: got no such file or folder'),
    (lambda f: [BAG, '--golden', f / 'none.npz'], '--update'),
    (lambda f: [BAG, '--golden', corrupt(f)], 'corrupt or no golden actions'),
    (lambda f: [BAG, '--policy', another_policy(f)], "golden actions of policy 'default ("),
    (lambda f: [BAG, '--policy', 'nope'], "unknown policy 'nope'"),
    (lambda f: [BAG, '--policy', 'expert'], "unknown policy 'expert'"),
    (lambda f: [BAG, '--robot', 'ur5e'], "got a bag of robot 'panda'"),
    (lambda f: [BAG, '--instruction', 'open the drawer'], 'golden actions of instruction'),
    (lambda f: [BAG, '--planner', 'verbatim'], "golden actions of planner 'embedded'"),
    (lambda f: [BAG, '--planner', 'nope'], "unknown planner 'nope'"),
    (lambda f: [BAG, '--head', 'nope'], "unknown head 'nope'"),
    (lambda f: [BAG, '--threads', '0'], '--threads: got 0, allowed 1 to 64'),
    (lambda f: [BAG, '--tolerance', 'nan'], '--tolerance: got nan'),
    (lambda f: [BAG, '--episode', '3'], 'got episode 3, allowed 0 to 0'),
    (lambda f: [BAG, '--live', '--update'], '--live: got --update too'),
    (lambda f: [BAG, '--map', f / 'none.yaml'], '--map: got'),
    (lambda f: [rewritten(f / 'b', without('/tf')), '--golden', GOLDEN], 'got no topic tf'),
    (lambda f: [rewritten(f / 'b', stamps_back('/wrist/image', 9)), '--golden', GOLDEN],
     'topic wrist/image: got stamp 1 after'),
    (lambda f: [BAG, '--scrub', 'dance', '--out', f / 'x'], "got no subtask 'dance'"),
    (lambda f: [BAG, '--scrub', 'put the red block in the bowl'], '--scrub: got no --out'),
    (lambda f: [BAG, '--scrub', 'put the red block in the bowl', '--out', f / 'x', '--index',
                '1'], '--index: got 1, allowed 0 to 0'),
])
def test_bad_input_is_one_line_and_exit_code_2_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture,
    arguments: Callable[[Path], list], words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    before = children()
    assert main(['replay', *map(str, arguments(tmp_path))]) == 2
    told = capsys.readouterr()
    assert words in told.err and told.err.count('\n') == 1 and not told.out
    assert children() == before and not Path('runs').exists()


def test_golden_steps_are_replaced_whole(tmp_path: Path) -> None:
    golden = tmp_path / 'golden.npz'
    golden.write_bytes(b'old')
    assert main(['replay', str(BAG), '--in-process', '--update', '--golden', str(golden),
                 '--out', str(tmp_path)]) == 0
    assert not compare(load(golden).moments, load(GOLDEN).moments).differences
    assert sorted(os.listdir(tmp_path)) == ['golden.npz']


# --- cutting ----------------------------------------------------------------------------------

def test_a_subtask_is_cut_out_and_replays_like_the_whole(tmp_path: Path) -> None:
    out = tmp_path / 'cut'
    assert main(['replay', str(BAG), '--scrub', 'put the red block in the bowl',
                 '--out', str(out)]) == 0
    cut, = (path for path in out.iterdir() if path.is_dir())
    assert (cut / 'metadata.yaml').exists()
    whole, part = load(GOLDEN).moments, replay(ReplayConfig(out)).moments
    assert len(part) == len(whole)
    assert all((a.chunk == b.chunk).all() for a, b in zip(part, whole))


def test_a_bag_that_tells_no_subtasks_cannot_be_cut(tmp_path: Path) -> None:
    plain = rewritten(tmp_path / 'plain', lambda said: said, header=False)
    with pytest.raises(InvalidDataError, match='or with --map'):
        from vla_bringup.replay.scrub import scrub
        scrub(ReplayConfig(plain), 'put the red block in the bowl', None, tmp_path / 'out')


def test_somebody_elses_bag_is_cut_by_the_subtasks_of_its_map(tmp_path: Path) -> None:
    from vla_bringup.replay.scrub import scrub
    plain = rewritten(tmp_path / 'plain', lambda said: said, header=False)
    (tmp_path / 'map.yaml').write_text(
        'subtasks: {topic: /subtask, field: text}\n'
        'streams: {observation/images/static: {topic: /static/image}}\n')
    cut, = scrub(ReplayConfig(plain, topic_map=tmp_path / 'map.yaml'),
                 'put the red block in the bowl', None, tmp_path / 'out')
    replayed = replay(ReplayConfig(cut.path, robot='panda'))
    assert len(replayed.moments) == 44
