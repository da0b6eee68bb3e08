"""Laws of reading LeRobot v3 data sets that others wrote, whole or broken."""

from collections.abc import Mapping
import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_lerobot import LENGTHS, picture, states, write_theirs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from vla_core.episode import Question, SubtaskSpan
from vla_core.errors import InvalidDataError
from vla_core.lazy import is_lazy
from vla_recorder.formats import detect
from vla_recorder.lerobot.codec import holds, open_reader

CODEC_ERROR = 4.0  # mean absolute error of a frame, of 255
INFO = 'meta/info.json'


def test_states_actions_and_text_of_shared_files_are_bit_equal(tmp_path: Path) -> None:
    write_theirs(tmp_path)
    reader = open_reader(tmp_path)
    assert len(reader) == 3 and detect(tmp_path).name == 'lerobot'
    for index in (1, 0, 2):
        episode = reader.read(index)
        assert (episode.episode_id, episode.robot) == (f'episode_{index:06d}', 'so101')
        assert episode.instruction == ('lift', 'push')[index % 2]
        assert set(episode.streams) == {
            'action', 'next/reward', 'observation/state/state', 'observation/images/front',
            'observation/images/wrist', 'observation/images/still'}
        state = episode.streams['observation/state/state']
        assert state.values.tobytes() == states(index).tobytes()
        assert episode.streams['action'].values.tobytes() == (states(index) + 1).tobytes()
        assert state.stamps_ns.tolist() == [k * 100_000_000 for k in range(LENGTHS[index])]
    reader.close()


def test_each_camera_begins_at_its_own_place_in_a_video(tmp_path: Path) -> None:
    write_theirs(tmp_path)
    reader = open_reader(tmp_path)
    for index in range(3):
        for camera in ('front', 'wrist', 'still'):
            values = reader.read(index).streams[f'observation/images/{camera}'].values
            assert is_lazy(values) and values.shape == (LENGTHS[index], 32, 48, 3)
            error = np.abs(values[0:len(values)].astype(int) - picture(camera, index))
            assert error.mean(axis=(1, 2, 3)).max() < (CODEC_ERROR if camera != 'still' else 1e-9)


def test_subtasks_and_questions_come_from_the_language_columns(tmp_path: Path) -> None:
    write_theirs(tmp_path, language=True)
    episode = open_reader(tmp_path).read(1)
    assert episode.subtasks == (SubtaskSpan(0, 200_000_003, 'reach'),
                                SubtaskSpan(200_000_003, 500_000_000, 'close'))
    assert episode.questions == (Question(100_000_000, 'front', 'what is it?', 'a cube'),)


@pytest.mark.parametrize('template', [
    '/etc/{chunk_index}/{file_index}', '../x/{file_index:03d}', 'data/../../{file_index}',
    'data/{0}', 'data/{chunk_index.__class__}', 'data/{chunk_index!r}', 'data/{file_index:999d}',
    'data/{file_index:{chunk_index}}', 'data/{file_index', 'data\\{file_index}', '', 7, None,
    'data/{episode_index}', '{file_index[0]}', '..'])
def test_a_template_that_is_malformed_or_leaves_the_folder_is_refused(
    tmp_path: Path, template: object
) -> None:
    write_theirs(tmp_path, data_path=template)
    with pytest.raises(InvalidDataError, match=r'info\.json: got data_path') as caught:
        open_reader(tmp_path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('key', ['../../x', 'a/b', '..', 'a\\b'])
def test_a_feature_key_that_leaves_the_folder_is_refused(tmp_path: Path, key: str) -> None:
    feature = {'dtype': 'video', 'shape': [32, 48, 3], 'names': None}
    write_theirs(tmp_path, features={key: feature})
    with pytest.raises(InvalidDataError, match=r'info\.json: got feature'):
        open_reader(tmp_path)


@pytest.mark.parametrize('changes', [
    {'codebase_version': 'v2.1'}, {'codebase_version': None}, {'fps': 0}, {'fps': 'x'},
    {'total_episodes': -1}, {'total_episodes': True}, {'features': None}, {'features': {}},
    {'features': {'a': 3}}, {'features': {'a': {'dtype': 'float32', 'shape': [-1]}}},
    {'features': {'a': {'dtype': 'float32', 'shape': 4}}},
    {'features': {'a': {'dtype': 'video', 'shape': [3]}}}])
def test_an_info_without_sense_is_refused_in_one_line(
    tmp_path: Path, changes: Mapping[str, object]
) -> None:
    write_theirs(tmp_path, **changes)
    with pytest.raises(InvalidDataError, match=r'info\.json: got') as caught:
        open_reader(tmp_path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('content', [b'', b'[]', b'{"fps": ', b'\xff\xfe'])
def test_an_info_that_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    write_theirs(tmp_path)
    (tmp_path / INFO).write_bytes(content)
    assert holds(tmp_path)
    with pytest.raises(InvalidDataError, match=r'info\.json'):
        open_reader(tmp_path)


@pytest.mark.parametrize(('file', 'lost'), [
    ('data/chunk-000/file-000.parquet', (0, 1, 2)),
    ('meta/episodes/chunk-000/file-000.parquet', (0, 1, 2)),
    ('meta/tasks.parquet', (0, 1, 2)),
    ('videos/observation.images.wrist/chunk-000/file-001.mp4', (1, 2))])
@pytest.mark.parametrize('broken', ['missing', 'truncated'])
def test_what_a_broken_file_holds_is_refused_by_name_and_the_rest_read(
    tmp_path: Path, file: str, lost: tuple[int, ...], broken: str
) -> None:
    write_theirs(tmp_path)
    path = tmp_path / file
    if broken == 'missing':
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-300])
    reader = open_reader(tmp_path)
    for index in range(3):
        if index not in lost:
            assert len(reader.read(index).streams['action']) == LENGTHS[index]
            continue
        wanted = file if (tmp_path / file).exists() or 'episodes' not in file else 'meta/episodes'
        with pytest.raises(InvalidDataError, match=f'episode {index}: .*{wanted}') as caught:
            reader.read(index)
        assert '\n' not in str(caught.value)


def test_rows_that_contradict_the_description_are_refused(tmp_path: Path) -> None:
    write_theirs(tmp_path)
    path = tmp_path / 'data/chunk-000/file-000.parquet'
    table = pq.read_table(path)
    for changed, what in (
            (table.drop_columns(['action']), "no column 'action'"),
            (table.slice(1), 'got 3 rows, allowed 4'),
            (table.set_column(0, 'observation.state', table['next.reward']), 'observation.state')):
        pq.write_table(changed, path)
        with pytest.raises(InvalidDataError, match=f'episode 0: .*file-000.parquet.*{what}'):
            open_reader(tmp_path).read(0)


def test_a_picture_that_is_none_is_refused_when_the_episode_is_read(tmp_path: Path) -> None:
    write_theirs(tmp_path)
    path = tmp_path / 'data/chunk-000/file-000.parquet'
    table = pq.read_table(path)
    rows = table['observation.images.still'].to_pylist()
    rows[0] = {'bytes': None, 'path': '/etc/passwd'}  # never opened
    kept = table.drop_columns(['observation.images.still'])
    pq.write_table(kept.append_column('observation.images.still', pa.array(rows)), path)
    with pytest.raises(InvalidDataError, match=r'file-000\.parquet: not a readable picture'):
        open_reader(tmp_path).read(0)
    assert len(open_reader(tmp_path).read(1).streams['action']) == LENGTHS[1]


def test_an_episode_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write_theirs(tmp_path, total_episodes=5)
    reader = open_reader(tmp_path)
    with pytest.raises(InvalidDataError, match='episode 4: .*no line of the episode'):
        reader.read(4)
    for index in (-1, 5):
        with pytest.raises(InvalidDataError, match='allowed 0 to 4'):
            reader.read(index)
    assert not holds(tmp_path / 'data')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner,
                                                                max_size=3), max_leaves=5)


@pytest.fixture(scope='module')
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('theirs')
    write_theirs(root, language=True)
    return root


@settings(max_examples=30, deadline=None)
@given(data=st.data(), value=JSON)
def test_whatever_an_info_says_the_reader_reads_or_refuses_in_one_line(
    theirs: Path, data: st.DataObject, value: object
) -> None:
    path = theirs / INFO
    before = path.read_text()
    info = json.loads(before)
    place = info
    key = data.draw(st.sampled_from(sorted(place)))
    while isinstance(place[key], dict) and data.draw(st.integers(0, 9)):
        place = place[key]
        key = data.draw(st.sampled_from([*sorted(place), 'stream', 'info', 'stream_shape']))
        place.setdefault(key, None)
    place[key] = value
    path.write_text(json.dumps(info))
    try:
        reader = open_reader(theirs)
        for index in range(min(len(reader), 3)):
            for stream in reader.read(index).streams.values():
                stream.values[0:1]
        reader.close()
    except InvalidDataError as error:
        assert '\n' not in str(error) and str(theirs) in str(error)
    finally:
        path.write_text(before)
