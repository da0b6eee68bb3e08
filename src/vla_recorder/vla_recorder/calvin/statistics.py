"""`statistics.yaml`: mean and deviation of CALVIN's state vectors, which its loaders normalise by.

The deviation is that of the whole population, as `np.std` gives it. Sets are merged without
their rows (Chan et al. 1979), so a writer needs what it wrote last and the new episode.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vla_core.errors import InvalidDataError
import yaml

STATISTICS = 'statistics.yaml'
VECTORS = {'robot_obs': 15, 'scene_obs': 24}  # what is measured, and its size
_TARGET = 'calvin_agent.utils.transforms.NormalizeVector'


@dataclass(frozen=True, eq=False)
class Moments:
    """What is known of a set of vectors."""

    count: int
    mean: np.ndarray  # (D,) float64
    std: np.ndarray  # (D,) float64

    @classmethod
    def of(cls, rows: np.ndarray) -> 'Moments':
        """Measure rows (N, D)."""
        return cls(len(rows), rows.mean(0), rows.std(0))

    def merged(self, other: 'Moments') -> 'Moments':
        """Return the moments of both sets together."""
        count = self.count + other.count
        apart = other.mean - self.mean
        spread = (self.count * self.std**2 + other.count * other.std**2
                  + apart**2 * self.count * other.count / count)
        return Moments(count, self.mean + apart * other.count / count, np.sqrt(spread / count))


def statistics_to_yaml(moments: Mapping[str, Moments]) -> bytes:
    """Return the file's content."""
    content = {
        name: [{'_target_': _TARGET, 'mean': part.mean.tolist(), 'std': part.std.tolist()}]
        for name, part in moments.items()}
    return yaml.safe_dump({**content, 'frames': moments['robot_obs'].count}).encode()


def read_statistics(path: Path) -> dict[str, Moments]:
    """Return the moments in a file that this module wrote; raise InvalidDataError."""
    try:
        data = yaml.safe_load(path.read_text())
        moments = {
            name: Moments(int(data['frames']), np.array(data[name][0]['mean'], np.float64),
                          np.array(data[name][0]['std'], np.float64)) for name in VECTORS}
    except (OSError, yaml.YAMLError, KeyError, IndexError, TypeError, ValueError) as error:
        raise InvalidDataError(
            f'{path}: cannot be read ({type(error).__name__}), allowed frames, and mean and '
            f'std of {" and ".join(VECTORS)}') from error
    for name, size in VECTORS.items():
        if not moments[name].mean.shape == moments[name].std.shape == (size,):
            raise InvalidDataError(
                f'{path}: got {name} of shape {moments[name].mean.shape}, allowed ({size},)')
    return moments
