"""RLDS folders that others wrote."""

import json
from pathlib import Path

import cv2
from made_up_episodes import assert_equal, make_images
import numpy as np
import pytest
from vla_core.errors import InvalidDataError
from vla_recorder.formats import WriteOptions
from vla_recorder.rlds import codec as rlds
from vla_recorder.rlds import example as rlds_example
from vla_recorder.rlds import tfrecord

FOREIGN = {  # what TFDS would write of a data set in the manner of Open X-Embodiment
    'observation': {
        'image': {'image': {'shape': {'dimensions': ['-1', '-1', '3']}, 'dtype': 'uint8',
                            'encodingFormat': 'png'}},
        'state': {'tensor': {'shape': {'dimensions': ['2']}, 'dtype': 'float64',
                             'encoding': 'none'}},
        'note': {'text': {}},
        'odd': {'audio': {}}},
    'action': {'tensor': {'shape': {'dimensions': ['7']}, 'dtype': 'float32'}},
    'is_first': {'tensor': {'shape': {}, 'dtype': 'bool'}},
    'reward': {'tensor': {'shape': {}, 'dtype': 'float32'}},
    'language_instruction': {'text': {}}}


def nest(tree: dict) -> dict:
    """Return features.json of nested features."""
    return {'featuresDict': {'features': {
        name: node if set(node) & {'image', 'tensor', 'text', 'audio', 'sequence'} - {'image'}
        or set(node.get('image', {})) & {'dtype'} else nest(node)
        for name, node in tree.items()}}}


def legacy(node: dict) -> dict:
    """Return a node in the form of TFDS before 4.6: the content as text."""
    return {'type': 'tensorflow_datasets.core.features.features_dict.FeaturesDict',
            'content': json.dumps(node['featuresDict']),
            'proto_cls': 'tensorflow_datasets.FeaturesDict'}


def write_foreign(folder: Path, texts: tuple[str, ...], old: bool = False) -> Path:
    """Write two shards of two episodes of 3 steps as others do."""
    folder.mkdir(parents=True)
    tree = {'steps': {'sequence': {'feature': nest(FOREIGN), 'length': '-1'}},
            'episode_metadata': {'file_path': {'text': {}},
                                 'rate': {'tensor': {'shape': {}, 'dtype': 'float32'}}}}
    features = nest(tree)
    (folder / 'features.json').write_text(json.dumps(legacy(features) if old else features))
    (folder / 'dataset_info.json').write_text(json.dumps(
        {'name': 'toto', 'version': '0.1.0', 'splits': [
            {'name': 'train', 'shardLengths': ['2', '2'], 'numBytes': '1'}]}))
    images = make_images(3, 8, 10)
    for shard in range(2):
        with (folder / f'toto-train.tfrecord-{shard:05d}-of-00002').open('wb') as file:
            for number in range(2):
                value = 10 * shard + number
                length, pieces = rlds_example.example({
                    'steps/observation/image': rlds_example.texts(
                        cv2.imencode('.png', image[..., ::-1])[1].tobytes() for image in images),
                    'steps/observation/state': rlds_example.floats(np.full((3, 2), value)),
                    'steps/observation/note': rlds_example.texts([b'a', b'b', b'c']),
                    'steps/action': rlds_example.floats(np.full((3, 7), value)),
                    'steps/is_first': rlds_example.integers(np.array([1, 0, 0])),
                    'steps/reward': rlds_example.floats(np.array([0, 0, 1])),
                    'steps/language_instruction': rlds_example.texts(
                        text.encode() for text in texts),
                    'episode_metadata/file_path': rlds_example.texts([b'raw/1']),
                    'episode_metadata/rate': rlds_example.floats(np.array([0.5])),
                })
                tfrecord.write_record(file, length, pieces)
    return folder


@pytest.mark.parametrize('old', [False, True])
def test_what_others_wrote_is_read(tmp_path: Path, old: bool) -> None:
    write_foreign(tmp_path / 'toto' / '0.1.0', ('push it',) * 3, old)
    reader = rlds.open_reader(tmp_path, fps=5)
    assert len(reader) == 4
    episode = reader.read(3)
    assert (episode.episode_id, episode.robot, episode.success) == (
        'toto-train-000003', 'unknown', None)
    assert (episode.instruction, episode.subtasks) == ('push it', ())
    assert episode.meta['file_path'] == 'raw/1' and episode.meta['rate'] == 0.5
    assert set(episode.streams) == {
        'observation/images/image', 'observation/state/state', 'action', 'reward'}
    image = episode.streams['observation/images/image']
    assert (image.values[:] == make_images(3, 8, 10)).all()
    assert image.stamps_ns.tolist() == [0, 200_000_000, 400_000_000]
    assert episode.streams['observation/state/state'].values.dtype == np.float64
    assert (episode.streams['action'].values == 11).all()


def test_a_text_that_changes_makes_subtasks(tmp_path: Path) -> None:
    write_foreign(tmp_path / 'toto', ('reach', 'grasp', 'grasp'))
    spans = rlds.open_reader(tmp_path).read(0).subtasks
    assert [(span.start_ns, span.end_ns, span.text) for span in spans] == [
        (0, 100_000_000, 'reach'), (100_000_000, 200_000_000, 'grasp')]


def test_what_others_wrote_can_be_written_as_ours(tmp_path: Path) -> None:
    episode = rlds.open_reader(write_foreign(tmp_path / 'toto', ('push it',) * 3)).read(1)
    rlds.open_writer(tmp_path / 'ours', WriteOptions()).write(episode)
    assert_equal(rlds.open_reader(tmp_path / 'ours').read(0), episode)


def test_others_data_set_is_never_appended_to(tmp_path: Path) -> None:
    folder = write_foreign(tmp_path / 'toto', ('push it',) * 3)
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(InvalidDataError, match='others wrote'):
        rlds.open_writer(folder, WriteOptions())
    assert before == sorted(path.name for path in folder.iterdir())


def test_records_before_a_damaged_one_load(tmp_path: Path) -> None:
    folder = write_foreign(tmp_path / 'toto', ('push it',) * 3)
    shard = folder / 'toto-train.tfrecord-00000-of-00002'
    shard.write_bytes(shard.read_bytes()[:-5])
    reader = rlds.open_reader(folder)
    assert [reader.read(index).instruction for index in (0, 2, 3)] == ['push it'] * 3
    with pytest.raises(InvalidDataError, match=r'00000-of-00002: episode 1: record 1: .*ends'):
        reader.read(1)
