"""A checkpoint comes back as it was, and everything else is refused by name."""

from collections.abc import Callable
from dataclasses import replace
import json
from pathlib import Path
from types import MappingProxyType

from policy_fakes import SPEC, tiny_checkpoint
import pytest
from safetensors.torch import load_file, save_file
import torch
from vla_core.errors import InvalidDataError
from vla_core.spec import CameraSpec, RobotSpec
from vla_policy.checkpoint import load, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a good checkpoint's folder."""
    save(tmp_path / 'good', tiny_checkpoint(), SPEC, '# card\n')
    return tmp_path / 'good'


def test_saving_then_loading_is_identity(folder: Path) -> None:
    before, after = tiny_checkpoint(), load(folder, SPEC)
    for name, value in after.model.state_dict().items():
        if not name.startswith('auxiliary.'):
            assert torch.equal(value, before.model.state_dict()[name]), name
    assert after.head == before.head
    assert after.normalisation.to_dict() == before.normalisation.to_dict()
    assert (after.tokenizer.encode('open the red', 8)
            == before.tokenizer.encode('open the red', 8)).all()


def test_privileged_head_is_not_shipped(folder: Path) -> None:
    assert not [n for n in load_file(folder / 'model.safetensors') if n.startswith('auxiliary')]


def _truncate(folder: Path) -> None:
    path = folder / 'model.safetensors'
    path.write_bytes(path.read_bytes()[:-1000])


def _pickle_instead(folder: Path) -> None:
    torch.save({'a': torch.zeros(3)}, folder / 'model.safetensors')


def _hidden_pickle(folder: Path) -> None:
    (folder / 'more').mkdir()
    (folder / 'more' / 'weights').write_bytes(b'\x80\x04\x95\x05' + bytes(7) + b'K\x01.')


def _reshape(folder: Path) -> None:
    weights = load_file(folder / 'model.safetensors')
    weights['norm.weight'] = torch.ones(7)
    save_file(weights, folder / 'model.safetensors')


def _poison(folder: Path) -> None:
    weights = load_file(folder / 'model.safetensors')
    weights['norm.weight'][0] = float('nan')
    save_file(weights, folder / 'model.safetensors')


def _edit(name: str, **changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**data, **changes}))
    return change


def _model(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        model = json.loads((folder / 'config.json').read_text())['model']
        _edit('config.json', model={**model, **changes})(folder)
    return change


def _write(name: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(text) and None


@pytest.mark.parametrize(('damage', 'says'), [
    (_truncate, 'truncated or not safetensors'),
    (_pickle_instead, 'contains a pickle (model.safetensors)'),
    (_hidden_pickle, 'contains a pickle (weights)'),
    (_reshape, 'norm.weight has shape (7,)'),
    (_poison, 'norm.weight is not finite'),
    (lambda f: (f / 'extra.pt').touch(), 'contains a pickle (extra.pt)'),
    (lambda f: (f / 'pytorch_model.bin').touch(), 'contains a pickle'),
    (lambda f: (f / 'tokenizer.json').unlink(), 'missing tokenizer.json'),
    (lambda f: (f / 'config.json').unlink(), 'missing config.json'),
    (_write('config.json', '{"format": 1'), 'config.json: not JSON'),
    (_write('config.json', '[]'), 'got list, allowed an object'),
    (_edit('config.json', format=9), 'format 9'),
    (_edit('config.json', head='best'), "head 'best'"),
    (_edit('config.json', model={'vocabulary': 3}), 'bad model'),
    (_edit('config.json', model={'width': -1}), 'bad model'),
    (_model(action_dim=8), "action_dim is 8, robot 'panda' has 7"),
    (_model(cameras=['static']), "cameras is ['static']"),
    (_model(image_px=128), 'image_px is'),
    (_edit('config.json', robot={'name': 'other'}), 'robot_hash does not match'),
    (_write('statistics.json', '{}'), 'statistics'),
    (_edit('statistics.json', motion_scale=[0.0] * 6), 'must be positive'),
    (_edit('statistics.json', state_mean=[0.0], state_std=[1.0]), 'statistics.json has 1 state'),
    (_edit('statistics.json', state_mean=[float('nan')] * 17), 'not finite'),
    (_write('tokenizer.json', '{}'), 'not a tokenizer file'),
])
def test_damage_is_named_in_one_line(
    folder: Path, damage: Callable[[Path], None], says: str
) -> None:
    damage(folder)
    with pytest.raises(InvalidDataError) as caught:
        load(folder, SPEC)
    message = str(caught.value)
    assert says in message
    assert str(folder) in message
    assert '\n' not in message


def _other_cameras() -> RobotSpec:
    cameras = {**SPEC.cameras, 'wrist': CameraSpec(128, 128, 12, 'wrist')}
    return replace(SPEC, cameras=MappingProxyType(cameras))


@pytest.mark.parametrize(('spec', 'part'), [
    (replace(SPEC, name='ur5e'), "trained for robot 'panda' with name panda, this robot 'ur5e'"),
    (replace(SPEC, policy=replace(SPEC.policy, step_hz=15)), 'step_hz 12'),
    (_other_cameras(), 'cameras'),
    (replace(SPEC, base_frame='base'), 'base_frame panda_link0'),
])
def test_another_robot_is_refused_naming_both(folder: Path, spec: RobotSpec, part: str) -> None:
    with pytest.raises(InvalidDataError, match='trained for robot') as caught:
        load(folder, spec)
    assert part in str(caught.value)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match='no such folder'):
        load(tmp_path / 'nothing', SPEC)
