"""Laws of the LeRobot v3.0 codec."""

from dataclasses import replace
import errno
import json
import os
from pathlib import Path
import shutil

from made_up_episodes import assert_equal, make_episode
import numpy as np
import pyarrow.parquet as pq
import pytest
from vla_core.episode import ACTION, Episode, Stream
from vla_core.errors import InvalidDataError
from vla_core.spec import load_robot
from vla_recorder.lerobot.codec import LeRobotWriter, read_episode
from vla_recorder.lerobot.layout import load

FPS = 12
CODEC_ERROR = 4.0  # mean absolute error of a frame, of 255
PANDA = load_robot('panda')


def write(root: Path, *episodes: Episode) -> None:
    writer = LeRobotWriter(root, FPS, PANDA)
    for episode in episodes:
        writer.write(episode)
    writer.close()


def assert_recorded(root: Path, index: int, wanted: Episode) -> None:
    """Hold all but the pictures to bit equality, the pictures to the codec's error."""
    got = read_episode(root, index)
    streams = dict(got.streams)
    for name in [n for n in streams if n.startswith('observation/images/')]:
        before = wanted.streams[name]
        error = np.abs(streams[name].values.astype(int) - before.values)
        assert error.mean(axis=(1, 2, 3)).max() < CODEC_ERROR
        streams[name] = Stream(streams[name].stamps_ns, before.values)
    assert_equal(replace(got, streams=streams), wanted)


def test_states_actions_and_stamps_survive_bit_for_bit(tmp_path: Path) -> None:
    episodes = [make_episode(3 + k, k, (True, False, None)[k]) for k in range(3)]
    write(tmp_path, *episodes)
    for index, episode in enumerate(episodes):
        assert_recorded(tmp_path, index, episode)


def test_a_second_run_appends(tmp_path: Path) -> None:
    episodes = [make_episode(3, k) for k in range(4)]
    write(tmp_path, *episodes[:2])
    write(tmp_path, *episodes[2:])
    for index, episode in enumerate(episodes):
        assert_recorded(tmp_path, index, episode)
    info = json.loads((tmp_path / 'meta/info.json').read_text())
    assert (info['total_episodes'], info['total_frames']) == (4, 12)
    assert info['splits'] == {'train': '0:4'}


def test_frames_are_numbered_through_and_timed_by_the_rate(tmp_path: Path) -> None:
    write(tmp_path, make_episode(3, 0), make_episode(4, 1))
    table = pq.read_table(tmp_path / 'data/chunk-000/file-001.parquet').to_pydict()
    assert table['index'] == [3, 4, 5, 6]
    assert table['frame_index'] == [0, 1, 2, 3]
    assert table['episode_index'] == [1] * 4
    assert np.allclose(table['timestamp'], np.arange(4) / FPS)
    assert table['next.done'] == table['next.success'] == [False, False, False, True]
    line = pq.read_table(tmp_path / 'meta/episodes/chunk-000/file-001.parquet').to_pylist()[0]
    assert (line['dataset_from_index'], line['dataset_to_index'], line['length']) == (3, 7, 4)
    assert line['success'] is True and line['tasks'] == ['pick up the red block']


def test_pandas_is_told_that_the_task_is_the_index(tmp_path: Path) -> None:
    write(tmp_path, make_episode(3, 0), replace(make_episode(3, 1), instruction='close it'))
    schema = pq.read_schema(tmp_path / 'meta/tasks.parquet')
    assert schema.pandas_metadata['index_columns'] == ['task']
    tasks = pq.read_table(tmp_path / 'meta/tasks.parquet').to_pydict()
    assert tasks == {'task_index': [0, 1], 'task': ['pick up the red block', 'close it']}


def test_statistics_are_those_of_all_frames(tmp_path: Path) -> None:
    episodes = [make_episode(5 + k, k) for k in range(3)]
    write(tmp_path, *episodes)
    stats = json.loads((tmp_path / 'meta/stats.json').read_text())
    rows = np.concatenate([e.streams[ACTION].values for e in episodes]).astype(np.float64)
    assert stats['action']['count'] == [18]
    for name, wanted in (('mean', rows.mean(0)), ('std', rows.std(0)), ('min', rows.min(0)),
                         ('max', rows.max(0))):
        assert np.allclose(stats['action'][name], wanted)
    images = np.concatenate([e.streams['observation/images/static'].values for e in episodes])
    got = stats['observation.images.static']
    assert np.allclose(np.ravel(got['mean']), images.mean((0, 1, 2)) / 255)
    assert np.allclose(np.ravel(got['std']), images.std((0, 1, 2)) / 255)
    assert np.shape(got['q01']) == (3, 1, 1)


def test_rows_without_a_proposal_are_left_out_of_its_statistics(tmp_path: Path) -> None:
    episodes = [make_episode(4, k) for k in range(3)]
    for episode, known in zip(episodes, (2, 0, 4), strict=True):
        episode.streams['action/proposed'].values[known:] = np.nan
    write(tmp_path, *episodes)
    for index, episode in enumerate(episodes):
        assert_recorded(tmp_path, index, episode)
    rows = np.concatenate([e.streams['action/proposed'].values for e in episodes])
    rows = rows[np.isfinite(rows).all(axis=1)].astype(np.float64)
    stats = json.loads((tmp_path / 'meta/stats.json').read_text())['vla.action.proposed']
    assert stats['count'] == [6]
    assert np.allclose(stats['mean'], rows.mean(0))
    assert np.allclose(stats['std'], rows.std(0))


@pytest.mark.parametrize('renames', range(8))
def test_a_crash_between_any_two_renames_loses_only_the_running_episode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    root, saved = tmp_path / 'data set', tmp_path / 'crashed'
    write(root, make_episode(3, 0))
    real, left = os.replace, [renames]

    def crash(source: Path, target: Path) -> None:
        if not left[0]:
            shutil.copytree(root, saved)  # what a killed process leaves, staging and all
            raise KeyboardInterrupt
        left[0] -= 1
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, 'replace', crash)
        try:
            write(root, make_episode(5, 1))
            shutil.copytree(root, saved)
        except KeyboardInterrupt:
            pass
    kept = load(saved).episodes
    assert kept == (2 if renames > 6 else 1)
    assert_recorded(saved, 0, make_episode(3, 0))
    write(saved, make_episode(4, 2))
    assert_recorded(saved, kept, make_episode(4, 2))
    stats = json.loads((saved / 'meta/stats.json').read_text())
    assert stats['index']['count'] == [load(saved).frames]


def test_a_full_disk_leaves_the_data_set_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = LeRobotWriter(tmp_path, FPS, PANDA)
    writer.write(make_episode(3, 0))

    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, 'No space left on device', str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, 'write_bytes', full)
        with pytest.raises(OSError, match='No space left'):
            writer.write(make_episode(3, 1))
    assert not (tmp_path / '.staging').exists()
    writer.write(make_episode(3, 2))
    assert load(tmp_path).episodes == 2
    assert_recorded(tmp_path, 1, make_episode(3, 2))


def test_one_writer_at_a_time_has_the_folder(tmp_path: Path) -> None:
    first = LeRobotWriter(tmp_path, FPS, PANDA)
    with pytest.raises(InvalidDataError, match='second writer'):
        LeRobotWriter(tmp_path, FPS, PANDA)
    first.close()
    LeRobotWriter(tmp_path, FPS, PANDA).close()


@pytest.mark.parametrize('file', [
    'data/chunk-000/file-000.parquet', 'meta/episodes/chunk-000/file-001.parquet',
    'videos/observation.images.wrist/chunk-000/file-000.mp4', 'meta/tasks.parquet'])
def test_a_missing_file_is_refused_by_name(tmp_path: Path, file: str) -> None:
    write(tmp_path, make_episode(3, 0), make_episode(3, 1))
    (tmp_path / file).unlink()
    with pytest.raises(InvalidDataError, match=file) as caught:
        LeRobotWriter(tmp_path, FPS, PANDA)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('file', [
    'data/chunk-000/file-000.parquet', 'meta/episodes/chunk-000/file-000.parquet',
    'videos/observation.images.wrist/chunk-000/file-000.mp4', 'meta/info.json'])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, file: str) -> None:
    write(tmp_path, make_episode(3, 0))
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:-200])
    with pytest.raises(InvalidDataError, match=file):
        read_episode(tmp_path, 0)


def test_a_folder_with_foreign_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / 'data/chunk-000/episode_000000.parquet'
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b'mine')
    with pytest.raises(InvalidDataError, match=r'episode_000000\.parquet'):
        LeRobotWriter(tmp_path, FPS, PANDA)
    assert foreign.read_bytes() == b'mine'


def test_another_rate_or_version_is_refused(tmp_path: Path) -> None:
    write(tmp_path, make_episode(3, 0))
    with pytest.raises(InvalidDataError, match='fps 12, allowed 15'):
        LeRobotWriter(tmp_path, 15, PANDA)
    info = tmp_path / 'meta/info.json'
    info.write_text(info.read_text().replace('v3.0', 'v2.1'))
    with pytest.raises(InvalidDataError, match=r"'v2\.1', allowed 'v3\.0'"):
        LeRobotWriter(tmp_path, FPS, PANDA)


def test_an_episode_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    episode = make_episode(3, 0)
    writer = LeRobotWriter(tmp_path, FPS, PANDA)
    writer.write(episode)
    less = {k: v for k, v in episode.streams.items() if k != 'progress'}
    with pytest.raises(InvalidDataError, match=r'differs in vla\.progress'):
        writer.write(replace(episode, streams=less))
    late = Stream(episode.streams['progress'].stamps_ns + 1, episode.streams['progress'].values)
    with pytest.raises(InvalidDataError, match=r'differs in vla\.progress'):
        writer.write(replace(episode, streams={**episode.streams, 'progress': late}))
    with pytest.raises(InvalidDataError, match="'ur5e', allowed 'panda'"):
        writer.write(replace(episode, robot='ur5e'))
    with pytest.raises(InvalidDataError, match='no action and no camera'):
        writer.write(make_episode(0, 0))
    assert writer.episodes == 1


@pytest.mark.parametrize('name', ['observation/images/../../x', 'observation/images/.x', 'a//b'])
def test_no_stream_name_leaves_the_folder(tmp_path: Path, name: str) -> None:
    episode = make_episode(2, 0)
    with pytest.raises(InvalidDataError, match='stream'):
        streams = {**episode.streams, name: episode.streams['observation/images/static']}
        write(tmp_path, replace(episode, streams=streams))
    assert not list(tmp_path.rglob('*.mp4'))
