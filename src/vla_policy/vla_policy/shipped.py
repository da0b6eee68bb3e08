"""Where a policy's checkpoint is: the shipped one, or a folder of the user's."""

from pathlib import Path

from vla_core.errors import InvalidDataError, UnknownNameError

DEFAULT = Path(__file__).parent / 'checkpoints' / 'default'


def checkpoint_folder(name_or_path: str) -> Path:
    """Return the folder of the shipped policy ('default') or of a path.

    Raises:
        UnknownNameError: for a name that is neither 'default' nor a folder.
        InvalidDataError: when this copy of the suite came without its checkpoint.

    """
    if name_or_path == 'default':
        if not (DEFAULT / 'config.json').is_file():
            raise InvalidDataError(
                f"policy 'default': got no checkpoint in {DEFAULT}, allowed a complete copy of "
                'the suite; or name a checkpoint folder')
        return DEFAULT
    if not Path(name_or_path).is_dir():
        raise UnknownNameError(
            'policy', name_or_path, ('default', 'expert', 'the path of a checkpoint folder'))
    return Path(name_or_path)
