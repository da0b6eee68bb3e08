"""A checkpoint is a folder without a pickle that knows what it was trained for.

    config.json         the model's shape, the head to use, the robot it was trained on
    model.safetensors   weights (exponential moving average)
    statistics.json     normalisation of states and actions
    tokenizer.json      words
    README.md           model card with the measured success

Loading refuses whatever differs from what it expects, in one line that names both sides.
"""

from dataclasses import asdict, dataclass
import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
import torch
from vla_core.errors import InvalidDataError
from vla_core.spec import RobotSpec
from vla_core.types import ACTION_DIM
from vla_policy.actions import Normalisation, STATE_FIXED
from vla_policy.model import ModelConfig, SmallVla
from vla_policy.text import read_tokenizer, WordTokenizer

FORMAT = 1
HEADS = ('l1', 'flow')
FILES = ('config.json', 'model.safetensors', 'statistics.json', 'tokenizer.json')
_PROTOCOLS = (b'\x02', b'\x03', b'\x04', b'\x05')  # of pickle, its second byte
PICKLES = ('.pt', '.pth', '.bin', '.pkl', '.pickle', '.ckpt')


@dataclass(frozen=True)
class Checkpoint:
    """A trained model with everything it needs to read and speak SI units."""

    model: SmallVla
    tokenizer: WordTokenizer
    normalisation: Normalisation
    head: str  # the better of HEADS
    robot: str


def robot_parts(spec: RobotSpec) -> dict[str, str | int | list]:
    """Return the parts of a robot's spec that a policy depends on."""
    return {
        'name': spec.name,
        'joints': list(spec.joints.names),
        'base_frame': spec.base_frame,
        'tool_frame': spec.tool_frame,
        'step_hz': spec.policy.step_hz,
        'cameras': [[name, c.width, c.height] for name, c in sorted(spec.cameras.items())],
    }


def robot_hash(parts: dict[str, str | int | list]) -> str:
    """Return a short fingerprint of `robot_parts`."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def save(folder: Path, checkpoint: Checkpoint, spec: RobotSpec, card: str) -> None:
    """Write a checkpoint folder; config.json is written last, so its presence means complete."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'config.json').unlink(missing_ok=True)
    weights = {name: value.contiguous() for name, value in checkpoint.model.state_dict().items()
               if not name.startswith('auxiliary.')}
    save_file(weights, folder / 'model.safetensors')
    _write(folder / 'statistics.json', checkpoint.normalisation.to_dict())
    (folder / 'tokenizer.json').write_text(checkpoint.tokenizer.to_json() + '\n')
    (folder / 'README.md').write_text(card)
    parts = robot_parts(spec)
    _write(folder / 'config.json', {
        'format': FORMAT, 'head': checkpoint.head, 'robot': parts,
        'robot_hash': robot_hash(parts), 'model': asdict(checkpoint.model.config)})


def load(folder: Path, spec: RobotSpec) -> Checkpoint:
    """Read a checkpoint for the robot `spec`.

    Raises:
        InvalidDataError: a file is missing, broken or a pickle, or was made for another robot.

    """
    _check_files(folder)
    config = _read(folder / 'config.json')
    _check_robot(folder, config, spec)
    model = _build(folder, config)
    _check_interface(folder, model.config, spec)
    _fill(model, folder / 'model.safetensors')
    statistics = Normalisation.from_dict(
        _read(folder / 'statistics.json'), f'checkpoint {folder}: statistics.json')
    if statistics.state_mean.shape != (model.config.state_dim,):
        raise InvalidDataError(
            f'checkpoint {folder}: statistics.json has {len(statistics.state_mean)} state '
            f'numbers, the model takes {model.config.state_dim}')
    tokenizer = read_tokenizer(folder / 'tokenizer.json')
    if tokenizer.size != model.config.vocabulary:
        raise InvalidDataError(
            f'checkpoint {folder}: tokenizer.json has {tokenizer.size} words, the model '
            f'{model.config.vocabulary}')
    return Checkpoint(model.eval(), tokenizer, statistics, config['head'], spec.name)


def _check_files(folder: Path) -> None:
    if not folder.is_dir():
        raise InvalidDataError(f'checkpoint {folder}: no such folder')
    pickles = sorted(p.name for p in folder.rglob('*') if p.is_file() and _is_pickle(p))
    if pickles:
        raise InvalidDataError(
            f'checkpoint {folder}: contains a pickle ({", ".join(pickles)}); '
            'only safetensors and JSON are allowed')
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise InvalidDataError(
            f'checkpoint {folder}: missing {", ".join(missing)}; needs {", ".join(FILES)}')


def _is_pickle(path: Path) -> bool:
    """Tell a pickle, and the zip archive that torch.save puts one into, by name or first bytes."""
    with path.open('rb') as file:
        begin = file.read(4)
    written = begin == b'PK\x03\x04' or (begin[:1] == b'\x80' and begin[1:2] in _PROTOCOLS)
    return path.suffix.lower() in PICKLES or (written and not _is_safetensors(path))


def _is_safetensors(path: Path) -> bool:
    """Tell whether a file begins with the length of a header and a JSON object."""
    with path.open('rb') as file:
        return file.read(9)[8:] == b'{'


def _check_robot(folder: Path, config: dict, spec: RobotSpec) -> None:
    if config.get('format') != FORMAT or config.get('head') not in HEADS:
        raise InvalidDataError(
            f'checkpoint {folder}: format {config.get("format")!r} with head '
            f'{config.get("head")!r}; allowed: format {FORMAT}, heads {", ".join(HEADS)}')
    trained, here = config.get('robot') or {}, robot_parts(spec)
    if robot_hash(trained) != config.get('robot_hash'):
        raise InvalidDataError(
            f'checkpoint {folder}: config.json: robot_hash does not match robot')
    for part, value in here.items():
        if trained.get(part) != value:
            raise InvalidDataError(
                f'checkpoint {folder}: trained for robot {trained.get("name")!r} with {part} '
                f'{trained.get(part)}, this robot {spec.name!r} has {value}')


def _check_interface(folder: Path, config: ModelConfig, spec: RobotSpec) -> None:
    """Refuse a model that reads or writes other numbers than the robot gives and takes."""
    sizes = {(camera.width, camera.height) for camera in spec.cameras.values()}
    for what, got, allowed in (
            ('state_dim', config.state_dim, STATE_FIXED + len(spec.joints.names)),
            ('action_dim', config.action_dim, ACTION_DIM),
            ('cameras', sorted(config.cameras), sorted(spec.cameras)),
            ('image_px', {(config.image_px, config.image_px)}, sizes)):
        if got != allowed:
            raise InvalidDataError(
                f'checkpoint {folder}: config.json: {what} is {got}, robot {spec.name!r} '
                f'has {allowed}')


def _build(folder: Path, config: dict) -> SmallVla:
    try:
        fields = dict(config['model'])
        return SmallVla(ModelConfig(**{**fields, 'cameras': tuple(fields['cameras'])}))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InvalidDataError(
            f'checkpoint {folder}: config.json: bad model: {error}') from error


def _fill(model: SmallVla, path: Path) -> None:
    try:
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InvalidDataError(
            f'checkpoint {path}: truncated or not safetensors: {error}') from error
    wanted = {name: value for name, value in model.state_dict().items()
              if not name.startswith('auxiliary.')}
    odd = sorted(wanted.keys() ^ weights.keys())
    if odd:
        raise InvalidDataError(
            f'checkpoint {path}: {"missing" if odd[0] in wanted else "unknown"} weight {odd[0]}')
    for name, value in wanted.items():
        if weights[name].shape != value.shape:
            raise InvalidDataError(
                f'checkpoint {path}: {name} has shape {tuple(weights[name].shape)}, '
                f'config.json says {tuple(value.shape)}')
        if not torch.isfinite(weights[name]).all():
            raise InvalidDataError(f'checkpoint {path}: {name} is not finite')
    model.load_state_dict(weights, strict=False)  # the auxiliary head is not shipped


def _read(path: Path) -> dict:
    try:
        data = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidDataError(f'checkpoint {path}: not JSON: {error}') from error
    if not isinstance(data, dict):
        raise InvalidDataError(f'checkpoint {path}: got {type(data).__name__}, allowed an object')
    return data


def _write(path: Path, data: dict) -> None:
    path.write_text(json.dumps(data, indent=1) + '\n')
