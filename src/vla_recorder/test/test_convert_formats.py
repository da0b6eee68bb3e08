"""From each format into each other one: nothing is lost on the way but what a codec loses."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
import shutil

from made_up_bags import rows, write_bag
from made_up_calvin import make_split
from made_up_episodes import assert_equal, assert_kept, make_multirate_episode
import pytest
from rosbags.rosbag2 import StoragePlugin
from test_convert import Listener
from vla_core.episode import Episode
from vla_recorder.bag.topic_map import open_bag
from vla_recorder.checksums import verify
from vla_recorder.convert.conversion import Conversion, convert
from vla_recorder.formats import create_dataset, detect, open_dataset, WriteOptions

FORMATS = ('lerobot', 'hdf5', 'rlds', 'mcap')
EXAMPLE_MAP = Path(__file__).resolve().parents[3] / 'docs' / 'topic_map.yaml'
CODEC_ERROR = (2.5, 20)  # of H.264: mean and greatest difference, of 255
NOISE_ERROR = (64.0, 255)  # of pictures that are noise, as a video has never seen them


@pytest.fixture(scope='module')
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return one data set of two episodes in each format."""
    root = tmp_path_factory.mktemp('sources')
    for name in FORMATS:
        writer = create_dataset(root / name, name, WriteOptions())
        for seed in range(2):
            writer.write(make_multirate_episode(seed=seed))
        writer.close()
    return {name: root / name for name in FORMATS}


def episodes(folder: Path) -> Iterator[Episode]:
    reader = open_dataset(folder)
    for index in range(len(reader)):
        yield reader.read(index)
    reader.close()


@pytest.mark.parametrize(('source', 'target'), list(permutations(FORMATS, 2)))
def test_any_format_becomes_any_other(
    sources: dict[str, Path], source: str, target: str, tmp_path: Path
) -> None:
    done = convert(Conversion(sources[source], tmp_path / 'out', target), Listener())
    assert (done.source_format, done.episodes, done.finished) == (source, 2, True)
    assert detect(tmp_path / 'out').name == target and verify(tmp_path / 'out') == []
    for got, wanted in zip(episodes(tmp_path / 'out'), episodes(sources[source]), strict=True):
        if target == 'lerobot':
            assert_kept(got, wanted, CODEC_ERROR)
        elif target == 'rlds':
            assert_kept(got, wanted)
        else:
            assert_equal(got, wanted)


@pytest.mark.parametrize(('source', 'file'), [
    ('lerobot', 'data/*/file-001.parquet'), ('lerobot', 'videos/*static/*/file-001.mp4'),
    ('hdf5', 'episode_000001.h5'), ('rlds', '*/*/*tfrecord-00001*'), ('mcap', '*1/*.mcap')])
def test_a_cut_file_costs_its_episode_only(
    sources: dict[str, Path], source: str, file: str, tmp_path: Path
) -> None:
    copy = shutil.copytree(sources[source], tmp_path / 'cut')
    cut, = copy.glob(file)
    cut.write_bytes(cut.read_bytes()[:cut.stat().st_size // 2])
    done = convert(Conversion(copy, tmp_path / 'out', 'hdf5', skip_bad=True), Listener())
    assert done.finished and done.episodes == 1 and set(done.bad) == {1}
    assert cut.name in done.bad[1] and '\n' not in done.bad[1]
    for got, wanted in zip(episodes(tmp_path / 'out'), episodes(sources[source])):
        assert_equal(got, wanted)


@pytest.mark.parametrize('target', ['hdf5', 'mcap'])  # RLDS and ALOHA take JPEG
def test_compressed_pictures_are_the_same(
    sources: dict[str, Path], target: str, tmp_path: Path
) -> None:
    plan = Conversion(sources['hdf5'], tmp_path / 'out', target, WriteOptions(compress=True))
    assert convert(plan, Listener()).finished
    for got, wanted in zip(episodes(tmp_path / 'out'), episodes(sources['hdf5']), strict=True):
        assert_equal(got, wanted)


@pytest.mark.parametrize('target', FORMATS)
def test_a_calvin_data_set_becomes_any_of_them(target: str, tmp_path: Path) -> None:
    make_split(tmp_path / 'training')
    done = convert(Conversion(tmp_path / 'training', tmp_path / 'out', target), Listener())
    assert done.source_format == 'calvin' and done.finished and not done.bad
    source = list(episodes(tmp_path / 'training'))
    assert done.episodes == len(source) > 0
    for got, wanted in zip(episodes(tmp_path / 'out'), source, strict=True):
        if target == 'lerobot':
            assert_kept(got, wanted, NOISE_ERROR)
        else:
            assert_equal(got, wanted)


@pytest.mark.parametrize('target', FORMATS)
def test_somebody_elses_bag_becomes_any_of_them(target: str, tmp_path: Path) -> None:
    source = write_bag(tmp_path / 'bag', StoragePlugin.MCAP, rows(1.0))
    plan = Conversion(source, tmp_path / 'out', target, topic_map=EXAMPLE_MAP)
    listener = Listener()
    done = convert(plan, listener)
    assert done.finished and done.episodes == 2 and not done.bad and not done.problems
    assert convert(plan, listener) == replace(done, changed=False)
    bag = open_bag(source, EXAMPLE_MAP)
    for index, got in enumerate(episodes(tmp_path / 'out')):
        if target in ('lerobot', 'rlds'):
            assert_kept(got, bag.read(index), CODEC_ERROR if target == 'lerobot' else (0.0, 0))
        else:
            assert_equal(got, bag.read(index))
    bag.close()


def test_what_a_bag_lacks_is_told(tmp_path: Path) -> None:
    messages = (row for row in rows(1.0) if row[1] != '/wrist/depth')
    source = write_bag(tmp_path / 'bag', StoragePlugin.MCAP, messages)
    plan = Conversion(source, tmp_path / 'out', 'hdf5', topic_map=EXAMPLE_MAP)
    problem, = convert(plan, Listener()).problems
    assert '/wrist/depth' in problem
