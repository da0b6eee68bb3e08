"""Laws of CALVIN's layout as one of the formats."""

from dataclasses import replace
from pathlib import Path

from made_up_calvin import annotate, FIRST, make_split, SENTENCE
from made_up_episodes import assert_equal
import numpy as np
import pytest
from test_calvin_writer import assert_alike, make_episode
from vla_core.episode import Episode, Stream
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.lazy import blocks, is_lazy
from vla_recorder.calvin.reader import CalvinSplit
from vla_recorder.formats import create_dataset, detect, open_dataset, WriteOptions

IMAGES = 'observation/images/static'
STEP_NS = 33_333_333


def read_whole(episode: Episode) -> Episode:
    streams = {name: Stream(s.stamps_ns, np.concatenate(list(blocks(s.values, 3))))
               for name, s in episode.streams.items()}
    return replace(episode, streams=streams)


def test_lazy_episodes_are_those_that_are_read_at_once(tmp_path: Path) -> None:
    make_split(tmp_path / 'training')
    split = CalvinSplit(tmp_path / 'training')
    reader = open_dataset(tmp_path)
    assert detect(tmp_path).name == detect(tmp_path / 'training').name == 'calvin'
    assert len(reader) == len(split.segments)
    for number, segment in enumerate(split.segments):
        episode = reader.read(number)
        pictures = [n for n, s in episode.streams.items() if is_lazy(s.values)]
        assert len(pictures) == 8
        assert_equal(read_whole(episode), split.read(segment))
    assert reader.read(0).streams[IMAGES].values[2:4].shape == (2, 20, 20, 3)


def test_splits_follow_one_another_and_unannotated_ones_are_read_by_recording(
    tmp_path: Path
) -> None:
    make_split(tmp_path / 'training')
    make_split(tmp_path / 'validation', frames=10)
    (tmp_path / 'validation' / 'lang_annotations' / 'auto_lang_ann.npy').unlink()
    reader = open_dataset(tmp_path)
    episodes = [reader.read(k) for k in range(len(reader))]
    assert [len(e.streams['action']) for e in episodes] == [6, 8, 10]
    assert [e.instruction for e in episodes] == [SENTENCE, SENTENCE, '']


def test_a_broken_segment_does_not_keep_the_others_from_being_read(tmp_path: Path) -> None:
    make_split(tmp_path / 'training')
    annotate(tmp_path / 'training', [(FIRST, FIRST + 2), (FIRST + 3, FIRST + 5)])
    reader = open_dataset(tmp_path)
    path = tmp_path / 'training' / f'episode_{FIRST + 4:07d}.npz'
    path.write_bytes(path.read_bytes()[:900])
    assert len(reader.read(0).streams['action']) == 3
    with pytest.raises(InvalidDataError, match=path.name):
        reader.read(1)


def test_a_picture_of_another_size_names_its_frame(tmp_path: Path) -> None:
    make_split(tmp_path / 'training')
    path = tmp_path / 'training' / f'episode_{FIRST + 1:07d}.npz'
    with np.load(path) as file:
        frame = {**file, 'rgb_static': np.zeros((8, 8, 3), np.uint8)}
    np.savez_compressed(path, **frame)
    values = open_dataset(tmp_path).read(0).streams[IMAGES].values
    with pytest.raises(InvalidDataError, match=r"0358483\.npz: got 'rgb_static' \(8, 8, 3\)"):
        values[0:3]


@pytest.mark.parametrize('scene', ['calvin_scene_B', 'table_b'])
def test_what_is_written_lazily_is_read_back(tmp_path: Path, scene: str) -> None:
    episode = replace(make_episode(9, STEP_NS), meta={'scene': scene})
    for folder in ('one', 'two'):  # the second copies the first, whose pictures are lazy
        writer = create_dataset(tmp_path / folder, 'calvin', WriteOptions())
        writer.write(episode)
        writer.close()
        episode = open_dataset(tmp_path / folder).read(0)
        assert episode.meta['scene'] == 'calvin_scene_B'
    assert_alike(read_whole(episode), make_episode(9, STEP_NS))


def test_depth_in_millimetres_is_written_in_metres(tmp_path: Path) -> None:
    episode = make_episode(3, STEP_NS)
    stamps = episode.streams['action'].stamps_ns
    depth = np.arange(3 * 6 * 6).reshape(3, 6, 6).astype(np.uint16) * 7
    streams = {**episode.streams, 'observation/depth/static': Stream(stamps, depth)}
    create_dataset(tmp_path, 'calvin', WriteOptions()).write(replace(episode, streams=streams))
    back = read_whole(open_dataset(tmp_path).read(0)).streams['observation/depth/static'].values
    np.testing.assert_allclose(back, depth / 1000.0, rtol=1e-6)
    assert back.dtype == np.float32


def test_a_data_set_has_one_scene(tmp_path: Path) -> None:
    episode = make_episode(3, STEP_NS)
    writer = create_dataset(tmp_path / 'a', 'calvin', WriteOptions())
    writer.write(replace(episode, meta={'scene': 'table_a'}))
    with pytest.raises(InvalidDataError, match="scene 'table_b', allowed calvin_scene_A"):
        writer.write(replace(episode, meta={'scene': 'table_b'}))
    with pytest.raises(UnknownNameError, match='calvin_scene_A'):
        create_dataset(tmp_path / 'b', 'calvin', WriteOptions()).write(
            replace(episode, meta={'scene': 'kitchen'}))
    assert len(open_dataset(tmp_path / 'a')) == 1
