"""Laws of the LeRobot codec for streams of many rates and kinds."""

from dataclasses import replace
import json
from pathlib import Path
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_episodes import assert_equal, make_episode
from made_up_kinds import make_depth, make_kinds
import numpy as np
import pyarrow.parquet as pq
import pytest
from vla_core.episode import DEPTH_PREFIX, Episode, IMAGE_PREFIX, Stream
from vla_core.errors import InvalidDataError
from vla_core.lazy import is_lazy
from vla_core.spec import load_robot
from vla_recorder.formats import WriteOptions
from vla_recorder.lerobot import images as lerobot_images
from vla_recorder.lerobot.codec import LeRobotWriter, open_reader, open_writer, read_episode
from vla_recorder.lerobot.language import EVENTS, PERSISTENT, questions_of, subtasks_of
from vla_recorder.table import is_picture, tabulate

CODEC_ERROR = 4.0  # mean absolute error of a frame, of 255
PANDA = load_robot('panda')
DATA = 'data/chunk-000/file-000.parquet'
RAW = 'raw/chunk-000/file-000.parquet'


def write(root: Path, *episodes: Episode, **options: object) -> None:
    writer = open_writer(root, WriteOptions(**options))
    for episode in episodes:
        writer.write(episode)
    writer.close()


def assert_recorded(got: Episode, wanted: Episode) -> None:
    """Hold all but pictures to bit equality, and pictures to those that were shown."""
    streams = dict(got.streams)
    kept = dict(wanted.streams)
    for name in filter(is_picture, wanted.streams):
        stream, before = streams[name], wanted.streams[name]
        assert is_lazy(stream.values)
        rows = np.searchsorted(before.stamps_ns, stream.stamps_ns)
        kept[name] = Stream(before.stamps_ns[rows], before.values[rows])
        values = stream.values[0:len(stream)]
        if not name.startswith(DEPTH_PREFIX):
            error = np.abs(values.astype(int) - kept[name].values).mean(axis=(1, 2, 3))
            assert error.max() < CODEC_ERROR, name
            values = kept[name].values
        streams[name] = Stream(stream.stamps_ns, values)
    assert_equal(replace(got, streams=streams), replace(wanted, streams=kept))


@pytest.mark.parametrize('robot', [PANDA, None])
def test_every_kind_and_rate_survives(tmp_path: Path, robot: object) -> None:
    episodes = [make_kinds(seed, 1.0 + seed) for seed in range(2)]
    write(tmp_path, *episodes, robot=robot)
    reader = open_reader(tmp_path)
    for index, episode in enumerate(episodes):
        assert_recorded(reader.read(index), episode)
    reader.close()
    info = json.loads((tmp_path / 'meta/info.json').read_text())
    assert (info['fps'], info['robot_type'], info['total_frames']) == (10, 'panda', 30)


def test_a_table_at_fewer_frames_than_actions_keeps_every_action(tmp_path: Path) -> None:
    episode = make_kinds(seconds=2.0)
    write(tmp_path, episode, fps=5)
    assert_recorded(open_reader(tmp_path).read(0), episode)
    assert len(pq.read_table(tmp_path / DATA)) == 10


def test_an_episode_without_arm_or_action_has_frames_of_its_camera(tmp_path: Path) -> None:
    episode = make_kinds()
    streams = {name: stream for name, stream in episode.streams.items() if is_picture(name)}
    seen = replace(episode, streams=streams, questions=())
    write(tmp_path, seen)
    assert_recorded(open_reader(tmp_path).read(0), seen)
    assert json.loads((tmp_path / 'meta/info.json').read_text())['fps'] == 30


def test_empty_streams_come_back_empty(tmp_path: Path) -> None:
    episode = make_kinds()
    none = np.empty(0, np.int64)
    empty = {'extra/nothing': Stream(none, np.empty((0, 3), np.float32)),
             'observation/state/wrench': Stream(none, np.empty((0, 6)))}
    more = replace(episode, streams={**episode.streams, **empty})
    write(tmp_path, more)
    assert_recorded(open_reader(tmp_path).read(0), more)


def test_large_pictures_that_are_no_cameras_are_lossless(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    episode = make_episode(5)
    stamps = episode.streams['action'].stamps_ns
    masks = {
        'extra/mask': Stream(stamps, rng.integers(0, 9, (5, 16, 20), dtype=np.uint8)),
        'extra/flow': Stream(stamps, rng.normal(size=(5, 16, 20)).astype(np.float32)),
        'extra/deep': Stream(stamps, rng.integers(0, 1 << 16, (5, 16, 20, 3), dtype=np.uint16)),
        'observation/images/grey': Stream(stamps, rng.integers(0, 9, (5, 9, 9), dtype=np.uint8))}
    write(tmp_path, replace(episode, streams={**episode.streams, **masks}))
    got = read_episode(tmp_path, 0)
    for name, stream in masks.items():
        assert got.streams[name].values.dtype == stream.values.dtype
        assert got.streams[name].values.tobytes() == stream.values.tobytes()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(['uint8', 'uint16', 'float32']),
       st.tuples(st.integers(1, 20), st.integers(1, 20)), st.booleans())
def test_decoding_an_encoded_picture_is_identity(
    seed: int, dtype: str, size: tuple[int, int], colour: bool
) -> None:
    shape = (*size, 3) if colour and dtype != 'float32' else size
    bits = np.random.default_rng(seed).integers(
        0, 256, (*shape[:-1], shape[-1] * np.dtype(dtype).itemsize), dtype=np.uint8)
    picture = bits.view(dtype)
    got = lerobot_images.decode(lerobot_images.encode(picture))
    assert got.dtype == picture.dtype and got.tobytes() == picture.tobytes()  # NaN and all


def test_statistics_of_depth_are_in_its_unit(tmp_path: Path) -> None:
    episode = make_kinds()
    write(tmp_path, episode)
    stats = json.loads((tmp_path / 'meta/stats.json').read_text())
    got = open_reader(tmp_path).read(0)
    for camera, tolerance in (('static', 1e-9), ('wrist', 1e-3)):
        wanted = got.streams[DEPTH_PREFIX + camera].values
        wanted = wanted[0:len(wanted)].astype(float)
        found = stats[f'observation.images.{camera}_depth']
        assert np.isclose(np.ravel(found['mean']), np.nanmean(wanted), atol=tolerance)
        assert np.isclose(np.ravel(found['max']), np.nanmax(wanted), atol=tolerance)
        assert np.shape(found['q99']) == (1, 1, 1) and found['count'] == [10]


def test_subtasks_and_questions_are_in_the_language_columns(tmp_path: Path) -> None:
    episode = make_kinds()
    write(tmp_path, episode)
    table, shown = pq.read_table(tmp_path / DATA), tabulate(episode).shown_ns
    spans = [table[PERSISTENT][k].as_py() for k in range(len(table))]
    assert all(rows == spans[0] for rows in spans)
    assert [(row['style'], row['role'], row['content'], round(row['timestamp'], 6))
            for row in spans[0]] == [('subtask', 'assistant', 'reach it', 0.0),
                                     ('subtask', 'assistant', 'lift it', 0.4)]
    seen = shown[IMAGE_PREFIX + 'static']
    (question,) = questions_of(table[EVENTS].to_pylist(), seen)
    assert question == episode.questions[0]
    assert [span.text for span in subtasks_of(spans[0], 10**9)] == ['reach it', 'lift it']


def test_language_columns_are_written_where_they_are_wanted(tmp_path: Path) -> None:
    silent = replace(make_episode(3), questions=())
    for name, language, first, wanted in (
            ('auto', None, make_episode(3), True), ('silent', None, silent, False),
            ('never', False, make_episode(3), False), ('always', True, silent, True)):
        writer = LeRobotWriter(tmp_path / name, language=language)
        writer.write(first)
        writer.write(silent)  # follows the first
        writer.close()
        features = json.loads((tmp_path / name / 'meta/info.json').read_text())['features']
        assert {PERSISTENT, EVENTS} <= set(features) or not wanted
        assert (PERSISTENT in features) is wanted
        assert_equal(replace(read_episode(tmp_path / name, 1), streams={}),
                     replace(silent, streams={}))


def test_the_rate_is_that_of_the_first_episode_and_another_is_refused(tmp_path: Path) -> None:
    writer = LeRobotWriter(tmp_path)
    writer.write(make_kinds())
    slow = make_kinds(1)
    action = slow.streams['action']
    late = {name: replace(stream, stamps_ns=stream.stamps_ns * 2)
            for name, stream in slow.streams.items()}
    with pytest.raises(InvalidDataError, match='allowed about 10 as in the data set'):
        writer.write(replace(slow, streams=late))
    writer.write(slow)
    writer.close()
    assert len(action) == 10 and writer.episodes == 2
    LeRobotWriter(tmp_path, fps=10).close()
    with pytest.raises(InvalidDataError, match='fps 10, allowed 12'):
        LeRobotWriter(tmp_path, fps=12)


@pytest.mark.parametrize('file', [RAW, DATA])
@pytest.mark.parametrize('broken', ['missing', 'truncated', 'another'])
def test_a_broken_file_is_named_with_its_episode(tmp_path: Path, file: str, broken: str) -> None:
    write(tmp_path, make_kinds(0), make_kinds(1))
    path = tmp_path / file
    if broken == 'missing':
        path.unlink()
    elif broken == 'truncated':
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.write_bytes((tmp_path / 'meta/tasks.parquet').read_bytes())
    reader = open_reader(tmp_path)
    with pytest.raises(InvalidDataError, match=re.escape(file)) as caught:
        reader.read(0)
    assert str(caught.value).startswith('episode 0: ') and '\n' not in str(caught.value)
    assert_recorded(reader.read(1), make_kinds(1))


def test_leftovers_of_a_killed_writer_never_join_another_episode(tmp_path: Path) -> None:
    write(tmp_path, make_kinds(0))
    info = (tmp_path / 'meta/info.json').read_bytes()
    write(tmp_path, make_kinds(1))
    (tmp_path / 'meta/info.json').write_bytes(info)  # killed just before it was counted
    assert (tmp_path / 'raw/chunk-000/file-001.parquet').exists()
    LeRobotWriter(tmp_path).close()
    assert not (tmp_path / 'raw/chunk-000/file-001.parquet').exists()
    write(tmp_path, make_kinds(2))
    assert_recorded(open_reader(tmp_path).read(1), make_kinds(2))


@pytest.mark.parametrize('values', [
    np.zeros((4, 0)), np.zeros(4, '>f8'), np.zeros(4, np.longdouble)])
def test_values_the_format_cannot_hold_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    episode = make_episode(4)
    stamps = episode.streams['action'].stamps_ns
    with pytest.raises(InvalidDataError, match="stream 'extra/odd': got"):
        write(tmp_path, replace(
            episode, streams={**episode.streams, 'extra/odd': Stream(stamps, values)}))
    assert not (tmp_path / 'meta/info.json').exists()


def test_pictures_are_never_all_in_memory(tmp_path: Path) -> None:
    class Counting:
        """Depth rows made when they are asked for."""

        shape, dtype = (300, 24, 32), np.dtype(np.uint16)
        most = 0

        def __len__(self) -> int:
            return 300

        def __getitem__(self, rows: slice) -> np.ndarray:
            made = make_depth(300, 'uint16')[rows]
            Counting.most = max(Counting.most, len(made))
            return made

    stamps = np.arange(300, dtype=np.int64) * 100_000_000
    episode = replace(make_episode(2), questions=(), streams={
        'action': Stream(stamps, np.zeros((300, 7), np.float32)),
        'observation/depth/static': Stream(stamps, Counting())})
    write(tmp_path, episode)
    assert Counting.most <= 64
    assert pq.ParquetFile(tmp_path / DATA).num_row_groups == 5
    got = open_reader(tmp_path).read(0).streams['observation/depth/static']
    assert np.array_equal(got.values[60:70], make_depth(300, 'uint16')[60:70])
