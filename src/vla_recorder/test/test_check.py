"""Every made-up fault is found and named; the clean episode has none."""

from collections.abc import Sequence
from dataclasses import replace

from clean_episode import change, clean_episode, START_NS
from hypothesis import given, settings, strategies
import numpy as np
import pytest
from vla_core.episode import (
    ACTION,
    DEPTH_PREFIX,
    Episode,
    GRIPPER,
    IMAGE_PREFIX,
    JOINT_POSITION,
    JOINT_VELOCITY,
    Stream,
    SubtaskSpan,
    TOOL_POSE,
)
from vla_core.errors import InvalidDataError
from vla_core.geometry import apply_delta
from vla_recorder.check.across import judge_dataset, summary
from vla_recorder.check.checker import check_episode, check_reader
from vla_recorder.check.findings import Finding, grouped, Level

CAMERA = f'{IMAGE_PREFIX}static'


class Episodes:
    """A fake EpisodeReader; an error among the episodes is raised when it is read."""

    def __init__(self, episodes: Sequence[Episode | InvalidDataError]) -> None:
        self._episodes = episodes

    def __len__(self) -> int:
        return len(self._episodes)

    def read(self, index: int) -> Episode:
        found = self._episodes[index]
        if isinstance(found, InvalidDataError):
            raise found
        return found

    def close(self) -> None:
        pass


def lines(episode: Episode) -> str:
    return '\n'.join(finding.line() for finding in check_episode(episode).findings)


def dataset_lines(*episodes: Episode | InvalidDataError) -> str:
    checked = list(check_reader(Episodes(episodes)))
    found = [*(f for e in checked for f in e.findings), *judge_dataset(checked)]
    return '\n'.join(finding.line() for finding in found)


def retimed(episode: Episode, name: str, fault) -> Episode:
    stream = episode.streams[name]
    late = Stream(fault(stream.stamps_ns.copy()), stream.values)
    return replace(episode, streams={**episode.streams, name: late})


@pytest.mark.parametrize('robot', ['panda', 'ur5e'])
def test_a_clean_data_set_has_no_findings(robot: str) -> None:
    assert dataset_lines(*(clean_episode(robot, seed=seed) for seed in range(3))) == ''


def test_every_finding_is_one_line_even_of_a_hostile_text() -> None:
    finding = Finding(Level.ERROR, 'e', 's', 'w', 'a\nb\x1b[31m' + 'x' * 500, 'c')
    assert len(finding.line().splitlines()) == 1
    assert '\x1b' not in finding.line()
    assert len(finding.line()) < 250


def test_errors_are_told_before_warnings() -> None:
    found = [Finding(level, 'e', 's', level.value, 'g', 'a') for level in reversed(Level)]
    assert [level for level, _, _ in grouped(found)] == list(Level)


def set_row(row: int, value: float):
    def fault(values: np.ndarray) -> np.ndarray:
        values[row] = value
        return values
    return fault


VALUE_FAULTS = [
    (JOINT_POSITION, set_row(5, np.nan), 'joint_position: is not finite'),
    (ACTION, set_row(5, np.inf), 'action: is not finite'),
    (GRIPPER, set_row(5, np.nan), 'gripper: is not finite'),
    (TOOL_POSE, lambda p: np.column_stack([p[:, :3], 1.1 * p[:, 3:]]), 'not unit'),
    (TOOL_POSE, lambda p: np.column_stack([1000 * p[:, :3], p[:, 3:]]), '(mm for m?)'),
    (TOOL_POSE, lambda p: np.concatenate([p[:30], apply_to(p[30:], [0.9, 0, 0])]), 'jumps'),
    (TOOL_POSE, lambda p: apply_to(p, [0.0, 0.0, 0.1]), 'always by (0, 0, 100) mm in base axes'),
    (TOOL_POSE, lambda p: p[:, [0, 1, 2, 6, 3, 4, 5]], 'does not fit the forward kinematics'),
    (JOINT_POSITION, np.degrees, '(degrees for rad?)'),
    (JOINT_POSITION, lambda q: q[:, ::-1], 'beyond the joint limits'),
    (JOINT_POSITION, lambda q: np.repeat(q[:1], len(q), 0), 'joint_position: never changes'),
    (JOINT_POSITION, lambda q: q[:, :6], 'has other joints: got 6, allowed 7'),
    (JOINT_VELOCITY, np.degrees, 'has another unit than joint_position: got 57'),
    (JOINT_VELOCITY, lambda v: -v, '(the other sign?)'),
    (JOINT_VELOCITY, lambda v: v[:, ::-1], 'does not fit joint_position'),
    (JOINT_VELOCITY, np.zeros_like, 'is zero while the joints turn'),
    (GRIPPER, lambda g: 0.08 * g, 'gripper: looks like metres'),
    (GRIPPER, lambda g: 1.0 - g, 'has the other sign'),
    (GRIPPER, lambda g: 255 * g, 'gripper: is out of range'),
    (ACTION, lambda a: np.column_stack([a[:, :6], 2 * a[:, 6] - 1]), 'is out of range: got -1'),
    (CAMERA, lambda c: np.concatenate([c[:10], np.repeat(c[10:11], len(c) - 10, 0)]),
     'static: is frozen while the arm moves: got 50 equal pictures'),
    (CAMERA, set_row(5, 0), 'warning: clean-panda-0: observation/images/static: is black: got 1'),
    (CAMERA, lambda c: c // 200, 'error: clean-panda-0: observation/images/static: is black'),
    (CAMERA, lambda c: np.full_like(c, 255), 'is overexposed: got 60 of 60'),
    (CAMERA, lambda c: np.full_like(c, 90), 'shows nothing'),
]


def apply_to(poses: np.ndarray, move: list[float]) -> np.ndarray:
    return np.array([apply_delta(pose, np.array([*move, 0.0, 0.0, 0.0])) for pose in poses])


@pytest.mark.parametrize('stream, fault, words', VALUE_FAULTS)
def test_a_fault_of_a_stream_is_named(stream: str, fault, words: str) -> None:
    assert words in lines(change(clean_episode(), stream, fault))


def test_a_camera_that_freezes_while_the_arm_rests_is_no_fault() -> None:
    frozen = clean_episode()
    still = {name: Stream(s.stamps_ns, np.repeat(s.values[:1], len(s), axis=0))
             for name, s in frozen.streams.items()}
    assert 'frozen' not in lines(replace(frozen, streams=still))


def test_a_frozen_camera_is_found_behind_a_codec_and_a_small_moving_spot_is_none() -> None:
    rng = np.random.default_rng(0)

    def coded(c: np.ndarray) -> np.ndarray:
        held = np.repeat(c[10:11], len(c), 0).astype(int)
        held[20] += 10  # a key frame
        return np.clip(held + (rng.random(c.shape) < 0.1), 0, 255).astype(np.uint8)

    def spot(c: np.ndarray) -> np.ndarray:
        c = np.full_like(c, 90)
        for row, picture in enumerate(c):
            picture[row % 24, row % 32] = 200
        return c
    assert 'is frozen' in lines(change(clean_episode(), CAMERA, coded))
    assert 'is frozen' not in lines(change(clean_episode(), CAMERA, spot))


def test_a_slow_camera_in_a_fast_table_is_no_fault() -> None:
    slow = change(clean_episode(), CAMERA, lambda c: c[np.arange(len(c)) // 2 * 2])
    assert lines(slow) == ''


def test_depth_without_distances_is_named() -> None:
    episode = clean_episode()
    stamps = episode.streams[ACTION].stamps_ns
    depth = Stream(stamps, np.zeros((len(stamps), 4, 6), np.float32))
    assert 'depth/static: shows nothing' in lines(
        replace(episode, streams={**episode.streams, f'{DEPTH_PREFIX}static': depth}))


def test_gaps_jitter_and_foreign_clocks_are_named() -> None:
    episode = clean_episode()

    def gap(stamps: np.ndarray) -> np.ndarray:
        stamps[20:] += 400_000_000
        return stamps

    def jitter(stamps: np.ndarray) -> np.ndarray:
        return stamps + np.arange(len(stamps)) % 2 * 60_000_000
    assert 'has gaps: got 1, the longest 0.483 s' in lines(retimed(episode, CAMERA, gap))
    assert 'comes unevenly' in lines(retimed(episode, CAMERA, jitter))
    assert 'stamps of another clock' in lines(
        retimed(episode, CAMERA, lambda stamps: stamps + 10**18))
    part = episode.streams[CAMERA]
    short = {**episode.streams, CAMERA: Stream(part.stamps_ns[:20], part.values[:20])}
    assert 'covers only a part' in lines(replace(episode, streams=short))


def test_empty_words_and_spans_outside_are_named() -> None:
    found = lines(replace(
        clean_episode(), instruction=' ',
        subtasks=(SubtaskSpan(0, 1, 'early'), SubtaskSpan(START_NS, START_NS + 9, ''))))
    assert 'instruction: is empty' in found
    assert 'subtask: is empty' in found
    assert "lies outside of the episode: got 'early'" in found


def test_episodes_without_streams_or_with_few_rows_are_named() -> None:
    episode = clean_episode()
    assert 'has no streams' in lines(replace(episode, streams={}))
    few = {name: Stream(s.stamps_ns[:2], s.values[:2]) for name, s in episode.streams.items()}
    assert 'is very short' in lines(replace(episode, streams=few))
    none = {**episode.streams, CAMERA: Stream(np.empty(0, np.int64), np.empty((0, 2, 2, 3), 'u1'))}
    assert 'static: is empty' in lines(replace(episode, streams=none))


def test_what_is_unknown_may_be_nan() -> None:
    unknown = change(clean_episode(), 'action/proposed', lambda a: np.full_like(a, np.nan))
    assert lines(unknown) == ''


def test_an_episode_that_cannot_be_read_is_named_and_the_others_are_checked() -> None:
    found = dataset_lines(clean_episode(), InvalidDataError('x/b.h5: truncated, allowed all'))
    assert 'error: #1: cannot be read: got x/b.h5: truncated' in found
    assert len(found.splitlines()) == 1


def test_pictures_that_cannot_be_read_are_named() -> None:
    class Broken:
        shape, dtype = (60, 2, 2, 3), np.dtype(np.uint8)

        def __len__(self) -> int:
            return 60

        def __getitem__(self, rows: slice) -> np.ndarray:
            raise InvalidDataError('a.mp4: truncated')
    episode = clean_episode()
    stamps = episode.streams[CAMERA].stamps_ns
    broken = replace(episode, streams={**episode.streams, CAMERA: Stream(stamps, Broken())})
    checked = check_episode(broken)
    assert not checked.readable
    assert 'a.mp4: truncated' in checked.findings[-1].line()


def test_repeated_ids_and_repeated_episodes_are_named() -> None:
    episode = clean_episode()
    found = dataset_lines(episode, episode)
    assert 'has an id that is not its own: got 2 episodes' in found
    assert 'repeats another episode' in found


def test_missing_streams_other_shapes_and_other_rates_are_named() -> None:
    others = [clean_episode(seed=seed) for seed in (1, 2, 3)]
    odd = clean_episode()
    lacking = {name: s for name, s in odd.streams.items() if name != CAMERA}
    assert 'static: is missing: got nothing, allowed a stream that 3 of 4' in dataset_lines(
        *others, replace(odd, streams=lacking))
    small = change(odd, CAMERA, lambda c: c[:, ::2, ::2])
    assert 'has another shape: got uint8 (12, 16, 3), allowed uint8 (24, 32, 3)' in (
        dataset_lines(*others, small))
    slow = {name: Stream(s.stamps_ns[0] + 2 * (s.stamps_ns - s.stamps_ns[0]), s.values)
            for name, s in odd.streams.items()}
    assert 'has another rate: got 6.0 Hz' in dataset_lines(*others, replace(odd, streams=slow))


def test_a_data_set_without_episodes_or_success_is_named() -> None:
    assert 'has no episodes' in dataset_lines()
    assert 'holds no success' in dataset_lines(replace(clean_episode(), success=False))


def test_numbers_that_never_change_are_told_of() -> None:
    dead = change(clean_episode(), ACTION, lambda a: np.column_stack([a[:, :6], 0 * a[:, 6]]))
    assert 'info: data set: action: has numbers that never change: got [6] = 0' in (
        dataset_lines(dead))


def test_the_summary_counts() -> None:
    told = summary(list(check_reader(Episodes([clean_episode(), clean_episode(seed=1)]))))
    assert (told['episodes'], told['frames'], told['successes']) == (2, 120, 2)
    assert told['streams'][CAMERA]['rate_hz'] == pytest.approx(12, rel=1e-3)
    assert told['tasks'] == {'lift_red_block': 2}


@settings(max_examples=40, deadline=None)
@given(data=strategies.data())
def test_streams_of_any_shape_and_type_are_checked_without_an_exception(data) -> None:
    """Somebody else's data set may hold anything."""
    names = [ACTION, CAMERA, GRIPPER, JOINT_POSITION, JOINT_VELOCITY, TOOL_POSE,
             f'{DEPTH_PREFIX}static', 'action/proposed', 'progress', 'other']
    draw, streams = data.draw, {}
    rng = np.random.default_rng(draw(strategies.integers(0, 99)))
    for name in draw(strategies.sets(strategies.sampled_from(names))):
        rows = draw(strategies.sampled_from([0, 1, 2, 17, 40]))
        shape = draw(strategies.sampled_from(
            [(), (0,), (1,), (6,), (7,), (14,), (3, 4, 3), (4, 4)]))
        kind = draw(strategies.sampled_from(['f8', 'f4', 'i4', 'u1', '?', 'f2']))
        values = (rng.normal(size=(rows, *shape)) * 3).astype(kind)
        if draw(strategies.booleans()) and values.dtype.kind == 'f' and values.size:
            values.flat[0] = np.nan
        start = draw(strategies.sampled_from([0, 10**9, 10**18]))
        streams[name] = Stream(start + np.cumsum(rng.integers(1, 10**8, rows)), values)
    episode = replace(clean_episode(), streams=streams)
    checked = check_episode(episode)
    for finding in [*checked.findings, *judge_dataset([checked])]:
        assert len(finding.line().splitlines()) == 1
