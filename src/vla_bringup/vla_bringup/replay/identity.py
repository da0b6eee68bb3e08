"""Which run a golden file is of, so that nothing is compared that cannot be alike."""

from dataclasses import dataclass, fields
import hashlib
import json
from pathlib import Path

from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.spec import RobotSpec
from vla_policy.shipped import checkpoint_folder

PLANNERS = ('embedded', 'verbatim')


@dataclass(frozen=True)
class Identity:
    """What a replay was made with; only the weights may differ between two that are compared."""

    robot: str
    episode_id: str
    instruction: str
    planner: str
    policy: str  # digest of the checkpoint's configuration, statistics, words and head
    policy_name: str
    weights: str  # digest

    def check(self, golden: 'Identity', path: Path) -> None:
        """Raise InvalidDataError naming the first thing that another golden file is of."""
        for field in fields(self):
            got, made = getattr(self, field.name), getattr(golden, field.name)
            if got == made or field.name in ('policy_name', 'weights'):
                continue
            what = field.name.replace('_id', '')
            if what == 'policy':
                got, made = (f'{one.policy_name} ({one.policy[:12]})' for one in (self, golden))
            raise InvalidDataError(
                f'{path}: golden actions of {what} {made!r}, this replay is of {got!r}; '
                'allowed the same, or --update')


def policy_digests(name: str, robot: RobotSpec, head: str) -> tuple[str, str]:
    """Return the digests of what a policy is, and of its weights.

    Raises UnknownNameError for a name that is neither 'default' nor a folder, and InvalidDataError
    for a checkpoint that cannot be used on this robot.
    """
    if name == 'expert':
        raise UnknownNameError('policy', name, ('default', 'the path of a checkpoint folder'))
    folder = checkpoint_folder(name)
    if name != 'default' or robot.name != 'panda':
        from vla_policy.policy import load_policy  # imports torch, which takes seconds
        load_policy(name, robot, head or None)
    try:
        chosen = head or json.loads((folder / 'config.json').read_text())['head']
        parts = [(folder / part).read_bytes()
                 for part in ('config.json', 'statistics.json', 'tokenizer.json')]
        weights = hashlib.sha256((folder / 'model.safetensors').read_bytes()).hexdigest()
    except (OSError, ValueError, KeyError) as error:
        raise InvalidDataError(f'checkpoint {folder}: {type(error).__name__}: {error}') from error
    state = hashlib.sha256(chosen.encode())
    for part in parts:
        state.update(hashlib.sha256(part).digest())
    return state.hexdigest()[:32], weights[:32]
