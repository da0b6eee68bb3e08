"""RLDS folders: what comes back, what is refused, and what others wrote."""

from dataclasses import replace
import json
from pathlib import Path
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from lazy_fakes import MadeUpRows
from made_up_episodes import assert_equal, make_episode, make_images, START_NS
from made_up_rates import make_mixed_episode
import numpy as np
import pytest
from vla_core.episode import Episode, Stream
from vla_core.errors import InvalidDataError
from vla_core.lazy import blocks, is_lazy
from vla_core.spec import load_robot
from vla_recorder.formats import WriteOptions
from vla_recorder.rlds import codec as rlds
from vla_recorder.rlds import example as rlds_example
from vla_recorder.rlds import tfrecord
from vla_recorder.rlds.columns import paths_of
from vla_recorder.rlds.encode import BESIDE
from vla_recorder.rlds.layout import find, Info, Split

OPTIONS = WriteOptions(name='made_up')


def write(folder: Path, *episodes: Episode, options: WriteOptions = OPTIONS) -> Path:
    writer = rlds.open_writer(folder, options)
    for episode in episodes:
        writer.write(episode)
    writer.close()
    return find(folder)[0]


def test_write_then_read_is_identity(tmp_path: Path) -> None:
    episodes = [make_episode(3 + k, k, success) for k, success in enumerate((True, None, False))]
    write(tmp_path, *episodes[:2])
    write(tmp_path, episodes[2])
    reader = rlds.open_reader(tmp_path)
    assert len(reader) == 3
    for index in (2, 0, 1):
        assert_equal(reader.read(index), episodes[index])


def test_many_rates_and_types_come_back_bit_by_bit(tmp_path: Path) -> None:
    episodes = [make_mixed_episode(6, k) for k in range(2)]
    reader = rlds.open_reader(write(tmp_path, *episodes))
    for index, episode in enumerate(episodes):
        assert_equal(reader.read(index), episode)


def test_a_read_episode_written_again_is_the_same_file(tmp_path: Path) -> None:
    first = write(tmp_path / 'a', make_mixed_episode())
    second = write(tmp_path / 'b', rlds.open_reader(first).read(0))
    for name in ('features.json', 'dataset_info.json', 'made_up-train.tfrecord-00000'):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_pictures_stay_packed_until_they_are_asked_for(tmp_path: Path) -> None:
    episode = rlds.open_reader(write(tmp_path, make_mixed_episode())).read(0)
    lazy = {name for name, stream in episode.streams.items() if is_lazy(stream.values)}
    assert lazy == {name for name in episode.streams if name.startswith((
        'observation/images', 'observation/depth', 'observation/tactile', 'observation/heat'))}


def test_instants_without_a_fresh_sample_lose_no_number(tmp_path: Path) -> None:
    episode = make_mixed_episode()
    joints = episode.streams['observation/state/joint_position']
    late = Stream(joints.stamps_ns[15:], joints.values[15:])
    episode = replace(episode, streams={
        **episode.streams, 'observation/state/joint_position': late})
    got = rlds.open_reader(write(tmp_path, episode)).read(0)
    for name in ('action', 'observation/state/joint_position', 'observation/state/wrench'):
        assert got.streams[name].values.tobytes() == episode.streams[name].values.tobytes()
        assert (got.streams[name].stamps_ns == episode.streams[name].stamps_ns).all()
    stamps = got.streams['observation/images/static'].stamps_ns
    whole = episode.streams['observation/images/static']
    rows = np.searchsorted(whole.stamps_ns, stamps)
    assert 0 < len(stamps) < len(whole)
    assert (got.streams['observation/images/static'].values[:] == whole.values[rows]).all()


def test_jpeg_is_smaller_and_near_for_colour_only(tmp_path: Path) -> None:
    episode = make_mixed_episode()
    plain = write(tmp_path / 'png', episode)
    packed = write(tmp_path / 'jpeg', episode, options=replace(OPTIONS, compress=True))
    got = rlds.open_reader(packed).read(0)
    camera, touch = 'observation/images/static', 'observation/tactile/left'
    error = np.abs(got.streams[camera].values[:].astype(int) - episode.streams[camera].values)
    assert 0 < error.mean() < 4
    assert (got.streams[touch].values[:] == episode.streams[touch].values).all()
    assert 'jpeg' in (packed / 'features.json').read_text()
    assert 'jpeg' not in (plain / 'features.json').read_text()


def copy_without(folder: Path, prefix: str) -> None:
    """Leave features out of the first episode, as TFDS does that knows only features.json."""
    shard = folder / 'made_up-train.tfrecord-00000'
    record = next(tfrecord.records(shard))
    with shard.open('rb') as file:
        lists = {
            name: rlds_example.texts([rlds_example.read(file, place) for place in found.places])
            if found.kind == rlds_example.BYTES else
            (rlds_example.floats if found.kind == rlds_example.FLOAT else rlds_example.integers)(
                found.values())
            for name, found in rlds_example.parse(file, record.start, record.length).items()
            if not name.startswith(prefix)}
    with shard.open('wb') as file:
        tfrecord.write_record(file, *rlds_example.example(lists))


def test_what_tfds_knows_of_an_episode_is_enough_for_the_frames(tmp_path: Path) -> None:
    episode = make_episode()
    folder = write(tmp_path, episode)
    copy_without(folder, 'nothing')
    assert_equal(rlds.open_reader(tmp_path).read(0), episode)
    copy_without(folder, BESIDE)
    rounded = {  # to 32 bits, as features.json promises to all
        name: replace(stream, values=stream.values.astype(np.float32))
        if stream.values.dtype == np.float64 else stream
        for name, stream in episode.streams.items()}
    assert_equal(rlds.open_reader(tmp_path).read(0), replace(episode, streams=rounded))


VALUES = st.sampled_from([
    'bool', 'int8', 'uint16', 'int64', 'uint64', 'float16', 'float32', 'float64']).flatmap(
    lambda kind: hnp.arrays(kind, hnp.array_shapes(max_dims=2, max_side=4).map(
        lambda shape: (3, *shape))))


@given(values=st.lists(VALUES, max_size=3), text=st.text())
@settings(max_examples=40, deadline=None)
def test_any_numbers_and_texts_come_back(
    tmp_path_factory: pytest.TempPathFactory, values: list[np.ndarray], text: str
) -> None:
    stamps = np.array([-5, 0, 2**62])
    streams = {f'sim/{k}': Stream(stamps, value) for k, value in enumerate(values)}
    streams['action'] = Stream(stamps, np.zeros((3, 7), np.float32))
    episode = replace(make_episode(), instruction=text, streams=streams, meta={'text': text})
    folder = tmp_path_factory.mktemp('any')
    assert_equal(rlds.open_reader(write(folder, episode)).read(0), episode)


def peak_of(folder: Path, count: int) -> int:
    """Return the most memory [bytes] that writing and reading `count` pictures takes."""
    pictures = MadeUpRows((count, 64, 64, 3))
    episode = replace(make_episode(), streams={
        'observation/images/static': Stream(np.arange(count), pictures)})
    tracemalloc.start()
    got = rlds.open_reader(write(folder, episode)).read(0).streams['observation/images/static']
    assert all((block == pictures[32 * k:32 * k + 32]).all()
               for k, block in enumerate(blocks(got.values)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pictures.most <= 32
    return peak


def test_memory_does_not_grow_with_the_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('vla_recorder.rlds.encode._SPOOL', 100_000)
    few, many = peak_of(tmp_path / 'few', 64), peak_of(tmp_path / 'many', 320)
    assert many - few < 500_000  # of 3 MB more


def test_the_rules_of_the_robot_decide(tmp_path: Path) -> None:
    robot = load_robot('panda')
    episode = make_episode()
    got = rlds.open_reader(write(tmp_path, episode, options=replace(OPTIONS, robot=robot)))
    assert_equal(got.read(0), episode)


def test_no_two_streams_share_a_feature() -> None:
    streams = ['action', 'action/proposed', 'action_proposed', 'reward', 'stamp/ns', 'is/first',
               'observation/state/image_a', 'observation/images/a', 'observation/a', 'is/terminal',
               'observation/state/a', 'observation']
    paths = paths_of(streams)
    assert len(set(paths.values())) == len(streams)
    assert paths['reward'] == 'steps/reward'
    assert not {'steps/stamp_ns', 'steps/is_first', 'steps/observation'} & set(paths.values())


def test_a_stream_takes_the_place_of_what_rlds_would_make_up(tmp_path: Path) -> None:
    episode = make_episode(4)
    stamps = episode.streams['action'].stamps_ns
    reward = Stream(stamps, np.array([0.5, -1, 2, 0], np.float32))
    done = Stream(stamps, np.array([False, True, False, True]))
    episode = replace(episode, streams={
        **episode.streams, 'reward': reward, 'is_terminal': done, 'is/first': done})
    assert_equal(rlds.open_reader(write(tmp_path, episode)).read(0), episode)


@pytest.mark.parametrize(('change', 'named'), [
    ({'observation/images/static': make_images(4, 16, 16)}, 'image_static'),
    ({'action': np.zeros((4, 6), np.float32)}, 'action'),
    ({'observation/state/extra': np.zeros(4)}, 'extra'),
])
def test_other_features_are_refused_and_the_data_set_stays(
    tmp_path: Path, change: dict[str, np.ndarray], named: str
) -> None:
    first = make_episode(4)
    folder = write(tmp_path, first)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    stamps = first.streams['action'].stamps_ns
    odd = replace(first, streams={
        **first.streams, **{name: Stream(stamps, value) for name, value in change.items()}})
    with pytest.raises(InvalidDataError, match=f'differ in .*{named}') as caught:
        write(tmp_path, odd)
    assert '\n' not in str(caught.value)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_episode_too_long_for_tensorflow_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('vla_recorder.rlds.encode.LONGEST', 1000)
    with pytest.raises(InvalidDataError, match=r'episode e0: got \d+ bytes, allowed 1000'):
        write(tmp_path, make_episode())
    assert find(tmp_path) == []


@pytest.mark.parametrize('damage', ['cut', 'flip', 'empty', 'missing'])
def test_a_bad_file_is_named_and_the_others_load(tmp_path: Path, damage: str) -> None:
    episodes = [make_episode(3, k) for k in range(3)]
    folder = write(tmp_path, *episodes)
    bad = folder / 'made_up-train.tfrecord-00001'
    data = bytearray(bad.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == 'missing':
        bad.unlink()
    else:
        bad.write_bytes({'cut': bytes(data[:-9]), 'flip': bytes(data), 'empty': b''}[damage])
    reader = rlds.open_reader(tmp_path)
    with pytest.raises(InvalidDataError, match=r'tfrecord-00001: episode 1: ') as caught:
        reader.read(1)
    assert '\n' not in str(caught.value)
    for index in (0, 2):
        assert_equal(reader.read(index), episodes[index])


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    episode = rlds.open_reader(write(tmp_path, make_episode())).read(0)
    rows = episode.streams['observation/images/static'].values
    data = bytearray(rows.path.read_bytes())
    data[rows.places[1][0]:rows.places[1][0] + 8] = bytes(8)
    rows.path.write_bytes(data)
    assert rows[0:1].shape == (1, 32, 48, 3)
    with pytest.raises(InvalidDataError, match=r'episode 0, steps/observation/image_static.*'):
        rows[1:2]


@pytest.mark.parametrize(('file', 'change', 'why'), [
    ('dataset_info.json', {'fileFormat': 'array_record'}, 'allowed tfrecord'),
    ('dataset_info.json', {'name': None, 'splits': 7}, 'TypeError'),
    ('dataset_info.json', {'name': '../../x'}, 'name of a shard'),
    ('features.json', {'featuresDict': {'features': {}}}, 'allowed those of RLDS: steps'),
    ('features.json', {'featuresDict': []}, 'allowed the features of TFDS'),
])
def test_a_bad_description_is_named(tmp_path: Path, file: str, change: dict, why: str) -> None:
    path = write(tmp_path, make_episode()) / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InvalidDataError, match=why) as caught:
        rlds.open_reader(tmp_path)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    'template', ['../{DATASET}-{SHARD_INDEX}', '/etc/{SPLIT}', '{X.__class__}'])
def test_a_shard_stays_in_its_folder(template: str) -> None:
    split = Split('train', template, (1,), 0)
    with pytest.raises(InvalidDataError, match='name of a shard'):
        Info('x', '1.0.0', (split,)).shard(split, 0)


@pytest.mark.parametrize('name', ['', '../x', 'a-b', '1a', 'a b', 'a' * 200])
def test_a_name_that_tfds_refuses_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidDataError, match='name of the data set'):
        rlds.open_writer(tmp_path, WriteOptions(name=name))


def test_what_a_killed_writer_left_is_not_counted_and_goes(tmp_path: Path) -> None:
    folder = write(tmp_path, make_episode(3, 0))
    (folder / 'made_up-train.tfrecord-00001').write_bytes(b'half an epi')
    (folder / '.1-2.partial').write_bytes(b'half')
    (folder / 'notes.txt').write_text('of the user')
    assert len(rlds.open_reader(tmp_path)) == 1
    write(tmp_path, make_episode(3, 1))
    assert [rlds.open_reader(tmp_path).read(k).seed for k in range(2)] == [0, 1]
    assert sorted(path.name for path in folder.iterdir()) == [
        'dataset_info.json', 'features.json', 'made_up-train.tfrecord-00000',
        'made_up-train.tfrecord-00001', 'notes.txt']


def test_one_folder_is_asked_for(tmp_path: Path) -> None:
    for name in 'ab':
        write(tmp_path, make_episode(), options=WriteOptions(name=name))
    assert rlds.holds(tmp_path) and not rlds.holds(tmp_path / 'c')
    with pytest.raises(InvalidDataError, match='name it'):
        rlds.open_reader(tmp_path)


def test_a_closed_writer_refuses(tmp_path: Path) -> None:
    writer = rlds.open_writer(tmp_path, OPTIONS)
    writer.close()
    with pytest.raises(InvalidDataError, match=r'after close\(\)'):
        writer.write(make_episode())


def test_an_empty_stream_and_one_picture_alone_come_back(tmp_path: Path) -> None:
    stamps = np.array([START_NS])
    episode = replace(make_episode(), streams={
        'observation/images/only': Stream(stamps, make_images(1)),
        'sim/nothing': Stream(stamps[:0], np.empty((0, 3))),
        'observation/state/none_each': Stream(stamps, np.empty((1, 0)))})
    assert_equal(rlds.open_reader(write(tmp_path, episode)).read(0), episode)
