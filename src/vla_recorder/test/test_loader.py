"""A loader gives what the episodes hold: whatever the format, in any order, in any process."""

from dataclasses import replace
import json
import logging
import multiprocessing
from pathlib import Path
import shutil

from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_episodes import make_episode, make_images
from made_up_videos import encode
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vla_core.episode import ACTION, Episode, IMAGE_PREFIX, Stream, SubtaskSpan
from vla_core.errors import InvalidDataError
from vla_core.spec import load_robot
from vla_recorder.hdf5.codec import Hdf5Writer
from vla_recorder.lerobot.codec import LeRobotWriter
from vla_recorder.loader.loader import Loader, open_loader

LENGTHS = (5, 1, 8)
FPS = 12


def episodes() -> list[Episode]:
    return [replace(make_episode(n, seed=k), instruction=f'task {k % 2}')
            for k, n in enumerate(LENGTHS)]


@pytest.fixture(scope='module')
def hdf5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('hdf5')
    writer = Hdf5Writer(folder)
    for episode in episodes():
        writer.write(episode)
    return folder


@pytest.fixture(scope='module')
def lerobot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('lerobot')
    writer = LeRobotWriter(folder, FPS, load_robot('panda'))
    for episode in episodes():
        writer.write(episode)
    writer.close()
    return folder


def places() -> list[tuple[int, int]]:
    return [(e, f) for e, n in enumerate(LENGTHS) for f in range(n)]


def test_samples_are_the_frames_of_all_episodes_one_after_another(hdf5: Path) -> None:
    loader, wanted = open_loader([hdf5], chunk=4), episodes()
    assert len(loader) == sum(LENGTHS)
    for index, (e, f) in enumerate(places()):
        sample, episode = loader[index], wanted[e]
        assert (sample.episode, sample.frame) == (e, f)
        assert sample.stamp_ns == episode.streams[ACTION].stamps_ns[f]
        assert sample.instruction == episode.instruction
        for camera in ('static', 'wrist'):
            pixels = episode.streams[IMAGE_PREFIX + camera].values[f]
            assert sample.images[camera].tobytes() == pixels.tobytes()
    loader.close()


def test_chunks_end_with_their_episode_and_say_so(hdf5: Path) -> None:
    sample, action = open_loader([hdf5], chunk=4)[3], episodes()[0].streams[ACTION].values
    assert sample.real.tolist() == [True, True, False, False]
    np.testing.assert_array_equal(sample.action, action[[3, 4, 4, 4]])


def test_both_formats_give_the_same_samples_but_for_the_codec(hdf5: Path, lerobot: Path) -> None:
    ours, theirs = open_loader([hdf5]), open_loader([lerobot])
    assert ours.cameras == theirs.cameras == ('static', 'wrist')
    everything = np.arange(len(ours))
    a, b = ours.batch(everything), theirs.batch(everything)
    for name in ('action', 'real', 'stamp_ns', 'episode', 'frame'):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), name)
    np.testing.assert_allclose(a.state, b.state, rtol=1e-6)
    assert (a.instruction, a.subtask) == (b.instruction, b.subtask)
    for camera in ours.cameras:
        error = np.abs(a.images[camera].astype(int) - b.images[camera])
        assert error.mean() < 2.5, camera


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, sum(LENGTHS) - 1), min_size=1, max_size=9))
def test_a_batch_is_its_samples_in_the_order_asked_for(lerobot_loader, indices) -> None:
    batch = lerobot_loader.batch(indices)
    for row, index in enumerate(indices):
        one, other = batch.sample(row), lerobot_loader[index]
        assert (one.episode, one.frame, one.stamp_ns) == (
            other.episode, other.frame, other.stamp_ns)
        for camera in lerobot_loader.cameras:
            assert one.images[camera].tobytes() == other.images[camera].tobytes()


@pytest.fixture(scope='module')
def lerobot_loader(lerobot: Path) -> Loader:
    return open_loader([lerobot], cameras=['static'])


def test_cameras_are_the_callers_choice_and_unknown_ones_are_named(
    hdf5: Path, lerobot: Path,
) -> None:
    for path in (hdf5, lerobot):
        assert open_loader([path], cameras=['wrist']).cameras == ('wrist',)
    with pytest.raises(InvalidDataError, match="'top'.*allowed static, wrist"):
        open_loader([lerobot], cameras=['top'])


def test_several_data_sets_of_different_formats_follow_each_other(
    hdf5: Path, lerobot: Path,
) -> None:
    both = open_loader([hdf5, lerobot])
    assert len(both) == 2 * sum(LENGTHS)
    batch = both.batch([0, sum(LENGTHS)])
    np.testing.assert_array_equal(batch.action[0], batch.action[1])


def test_the_subtask_is_the_one_of_the_stamp(tmp_path: Path) -> None:
    episode = make_episode(4)
    stamps = episode.streams[ACTION].stamps_ns.tolist()
    spans = (SubtaskSpan(stamps[0], stamps[2], 'reach'), SubtaskSpan(stamps[2], stamps[2], 'grip'))
    Hdf5Writer(tmp_path).write(replace(episode, subtasks=spans))
    loader = open_loader([tmp_path])
    said = [loader[k].subtask for k in range(4)]
    assert said == ['reach', 'reach', 'grip', episode.instruction]


def test_questions_lead_to_the_sample_whose_picture_they_are_about(
    hdf5: Path, lerobot: Path,
) -> None:
    for path in (hdf5, lerobot):
        asked = open_loader([path]).questions()
        assert [index for index, _ in asked] == [0, LENGTHS[0], LENGTHS[0] + 1]
        assert [q for _, q in asked] == [q for e in episodes() for q in e.questions]
        assert open_loader([path], cameras=['wrist']).questions() == []


def _one(loader: Loader, queue: multiprocessing.Queue) -> None:
    queue.put([loader[k].images['static'].tobytes() for k in (9, 0)])


@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_other_processes_open_their_own_files(hdf5: Path, lerobot: Path, method: str) -> None:
    loader = open_loader([hdf5, lerobot])
    wanted = [loader[k].images['static'].tobytes() for k in (9, 0)]
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    worker = context.Process(target=_one, args=(loader, queue))
    worker.start()
    assert queue.get(timeout=60) == wanted
    worker.join()
    assert [loader[k].images['static'].tobytes() for k in (9, 0)] == wanted


def test_a_file_cut_off_is_named_and_the_rest_still_loads(tmp_path: Path) -> None:
    for episode in episodes():
        Hdf5Writer(tmp_path).write(episode)
    victim = tmp_path / 'episode_000001.h5'
    victim.write_bytes(victim.read_bytes()[:3000])
    loader = open_loader([tmp_path])
    assert len(loader) == LENGTHS[0] + LENGTHS[2]
    assert len(loader.problems) == 1
    assert 'episode_000001.h5' in loader.problems[0]
    assert '\n' not in loader.problems[0]


def test_a_broken_video_is_named_and_the_rest_still_loads(tmp_path: Path) -> None:
    writer = LeRobotWriter(tmp_path, FPS, load_robot('panda'))
    for episode in episodes():
        writer.write(episode)
    writer.close()
    victim = next(tmp_path.glob('videos/*static/*/*002.mp4'))
    victim.write_bytes(victim.read_bytes()[:-200])
    loader = open_loader([tmp_path])
    assert len(loader) == LENGTHS[0] + LENGTHS[1]
    assert 'episode 2' in loader.problems[0]
    assert 'file-002.mp4' in loader.problems[0]


def test_a_picture_that_rots_later_is_left_out_of_batches_and_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture,
) -> None:
    for episode in episodes():
        Hdf5Writer(tmp_path).write(episode)
    loader = open_loader([tmp_path])
    (tmp_path / 'episode_000001.h5').write_bytes(b'')
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert loader.batch([0, LENGTHS[0], 7]).frame.tolist() == [0, 1]
    assert len(caplog.records) == 1
    assert 'episode_000001.h5' in caplog.text
    with pytest.raises(InvalidDataError, match=r'episode_000001\.h5'):
        loader[LENGTHS[0]]
    with pytest.raises(InvalidDataError, match='none of which'):
        loader.batch([LENGTHS[0]])


def test_episodes_of_other_shapes_are_left_out_with_a_line(tmp_path: Path) -> None:
    first, other = make_episode(3), make_episode(3, seed=1)
    action = other.streams[ACTION]
    narrow = {**other.streams, ACTION: Stream(action.stamps_ns, action.values[:, :6])}
    Hdf5Writer(tmp_path).write(first)
    Hdf5Writer(tmp_path).write(replace(other, streams=narrow))
    loader = open_loader([tmp_path])
    assert len(loader) == 3
    assert 'got action of 6 numbers, allowed 7' in loader.problems[0]


def test_a_template_that_leads_out_of_the_data_set_is_refused(
    lerobot: Path, tmp_path: Path,
) -> None:
    for template in ('../{chunk_index}', 'data/{nothing}', None, '{chunk_index!r:>{file_index}'):
        root = tmp_path / str(template).replace('/', '_')
        shutil.copytree(lerobot, root)
        values = {**json.loads((root / 'meta/info.json').read_text()), 'data_path': template}
        (root / 'meta/info.json').write_text(json.dumps(values))
        with pytest.raises(InvalidDataError, match='data_path'):
            open_loader([root])


def test_a_data_set_of_another_writer_may_share_files_among_episodes(tmp_path: Path) -> None:
    pixels = np.concatenate([make_images(4), make_images(3, phase=50)])
    write_shared(tmp_path, pixels, lengths=(4, 3), fps=10)
    loader = open_loader([tmp_path], chunk=2)
    batch = loader.batch(np.arange(7)[::-1])
    assert batch.episode.tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert batch.frame.tolist() == [2, 1, 0, 3, 2, 1, 0]
    assert batch.stamp_ns[:3].tolist() == [200_000_000, 100_000_000, 0]
    assert batch.instruction == ('b', 'b', 'b', 'a', 'a', 'a', 'a')
    assert batch.subtask == ('late', 'early', 'early', 'late', 'late', 'early', 'early')
    assert batch.state[:, 0].tolist() == [6, 5, 4, 3, 2, 1, 0]
    error = np.abs(batch.images['top'].astype(int) - pixels[::-1])
    assert error.mean() < 2.5


def write_shared(root: Path, pixels: np.ndarray, lengths: tuple[int, ...], fps: int) -> None:
    """Write a data set as LeRobot's own writer lays it out: one table, one video."""
    key, start, lines, rows = 'observation.images.top', 0, [], []
    said = [{'role': 'assistant', 'content': text, 'style': 'subtask', 'timestamp': t}
            for text, t in (('early', 0.0), ('late', 0.2))]
    for number, length in enumerate(lengths):
        lines.append({
            'episode_index': number, 'length': length, 'data/chunk_index': 0,
            'data/file_index': 0, f'videos/{key}/chunk_index': 0, f'videos/{key}/file_index': 0,
            f'videos/{key}/from_timestamp': start / fps, 'stats/action/min': [0.0]})
        rows += [{
            'episode_index': number, 'frame_index': k, 'index': start + k, 'task_index': number,
            'timestamp': float(np.float32(k / fps)), 'observation.state': [start + k, 0.0],
            'action': [float(k)], 'language_persistent': said} for k in range(length)]
        start += length
    tasks = [{'task_index': k, 'task': text} for k, text in enumerate('ab')]
    tables = {'meta/tasks.parquet': tasks,
              'meta/episodes/chunk-000/file-000.parquet': lines,
              'data/chunk-000/file-000.parquet': rows}
    for name, lines in tables.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(lines), root / name)
    folder = root / 'videos' / key / 'chunk-000'
    folder.mkdir(parents=True)
    encode(folder / 'file-000.mp4', pixels, fps)
    features = {key: {'dtype': 'video', 'shape': list(pixels.shape[1:])},
                'observation.state': {'dtype': 'float32', 'shape': [2]},
                'action': {'dtype': 'float32', 'shape': [1]}}
    (root / 'meta/info.json').write_text(json.dumps({
        'codebase_version': 'v3.0', 'fps': fps, 'features': features,
        'total_episodes': len(lengths),
        'data_path': 'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet',
        'video_path': 'videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4'}))
