"""What a recorded data set holds: how many episodes, how good, how often a person helped."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from vla_core.episode import ACTION_PROPOSED, Episode
from vla_core.errors import InvalidDataError
from vla_core.types import Mode
from vla_recorder.formats import detect, open_dataset
from vla_recorder.recording.acted import CONTROL_MODE
from vla_training.statistics import wilson_interval


@dataclass(frozen=True)
class Recording:
    """One episode in numbers."""

    episode_id: str
    task: str
    success: bool | None
    seconds: float
    teleop_s: float  # time in which a person had the arm
    interventions: int  # times a person took it from a policy
    with_policy: bool  # a policy proposed something


def recordings(root: Path) -> list[Recording]:
    """Return the complete episodes of a data set; nothing where there is none yet."""
    if not any(Path(root).glob('*')):
        return []
    try:
        with closing(open_dataset(root)) as reader:
            episodes = (reader.read(index) for index in range(len(reader)))
            return [_measure(episode) for episode in episodes
                    if episode.meta.get('complete', True)]
    except InvalidDataError:
        if list(Path(root).glob('meta/episodes')) or list(Path(root).glob('episode_*')):
            raise
        return []  # begun, and nothing in it yet


def count_kept(root: Path) -> int:
    """Return how many episodes are there already."""
    return len(recordings(root))


def check_data_set(root: Path, episodes: int, form: str) -> int:
    """Return how many episodes are there already; raise InvalidDataError for another format."""
    if episodes < 1:
        raise InvalidDataError(f'episodes: got {episodes}, allowed 1 or more')
    kept = count_kept(root)
    if kept and (found := detect(root).name) != form:
        raise InvalidDataError(f'{root}: got a data set of {found}, allowed {form} (format)')
    return kept


def summary(found: Sequence[Recording]) -> dict:
    """Return the numbers of a data set as a JSON document."""
    helped = [one for one in found if one.with_policy]
    judged = [one for one in found if one.success is not None]
    wins = sum(bool(one.success) for one in judged)
    return {
        'episodes': [asdict(one) for one in found], 'count': len(found), 'successes': wins,
        'judged': len(judged), 'ci95': list(wilson_interval(wins, len(judged))),
        'seconds': sum(one.seconds for one in found), 'interventions': _interventions(helped)}


def _interventions(helped: Sequence[Recording]) -> Mapping[str, float]:
    """Return how often and how long people took over from a policy."""
    seconds = sum(one.seconds for one in helped)
    times = sum(one.interventions for one in helped)
    return {
        'episodes_with_policy': len(helped),
        'episodes_with_intervention': sum(one.interventions > 0 for one in helped),
        'count': times, 'per_minute': 60.0 * times / seconds if seconds else 0.0,
        'share_of_time': sum(one.teleop_s for one in helped) / seconds if seconds else 0.0}


def _measure(episode: Episode) -> Recording:
    start, end = episode.start_ns, episode.end_ns
    modes, proposed = (episode.streams.get(name) for name in (CONTROL_MODE, ACTION_PROPOSED))
    teleop_s, taken = 0.0, 0
    if modes is not None and len(modes):
        taken = _take_overs(np.asarray(modes.values))
        spans = np.diff([*modes.stamps_ns.tolist(), max(end, int(modes.stamps_ns[-1]))]) / 1e9
        teleop_s = float(spans[np.asarray(modes.values) == int(Mode.TELEOP)].sum())
    with_policy = proposed is not None and bool(np.isfinite(np.asarray(proposed.values)).any())
    with_policy |= modes is not None and bool((np.asarray(modes.values) == Mode.POLICY).any())
    return Recording(
        episode.episode_id, episode.task, episode.success, (end - start) / 1e9, teleop_s,
        taken if with_policy else 0, with_policy)


def _take_overs(modes: np.ndarray) -> int:
    """Return how often a person took the arm in rows of modes (N,); a hold parts nothing."""
    theirs = modes[(modes == Mode.TELEOP) | (modes == Mode.POLICY)] == Mode.TELEOP
    return int((np.diff(theirs.astype(int), prepend=0) > 0).sum())
