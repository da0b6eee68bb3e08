"""The episodes of a data set against each other, and all of them together."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from vla_recorder.check.checker import Checked, RANGED
from vla_recorder.check.findings import Finding, Level, WHOLE
from vla_recorder.check.moments import Moments
from vla_recorder.check.motion import judge_all

RATE_SHARE = 0.2  # an episode's rate may differ from the usual one
LAG_ROWS, LAG_S = 1.0, 0.08  # between the 10 % of the episodes that follow soonest and latest
LAG_EPISODES = 8
DEAD = 1e-9  # range of a number that never changes


def judge_dataset(episodes: Sequence[Checked]) -> Iterator[Finding]:
    """Yield what can be seen only of all episodes together."""
    if not episodes:
        yield Finding(Level.WARNING, WHOLE, '', 'has no episodes', '0', '1 or more')
        return
    whole = [episode for episode in episodes if episode.streams is not None]
    yield from _duplicates(whole)
    yield from _odd_streams(whole)
    yield from _odd_rates(whole)
    yield from _motion(whole)
    yield from _lags(whole)
    yield from _dead(whole)
    robots = sorted({episode.robot for episode in whole})
    if len(robots) > 1:
        yield Finding(Level.INFO, WHOLE, '', 'holds several robots', ', '.join(robots), 'one')
    judged = [episode.success for episode in whole if episode.success is not None]
    if judged and not any(judged):
        yield Finding(Level.WARNING, WHOLE, '', 'holds no success',
                      f'0 of {len(judged)} judged episodes', '1 or more')


def pooled(episodes: Sequence[Checked]) -> dict[str, Moments]:
    """Return the sums of all episodes whose action fits their motion, of the usual rate."""
    sums: dict[str, Moments] = {}
    steps = Counter(round(part.step_s, 3) for episode in episodes if episode.motion
                    for part in episode.motion.sums.values())
    usual = steps.most_common(1)[0][0] if steps else 0.0
    for episode in episodes:
        for block, part in (episode.motion.sums if episode.motion else {}).items():
            if round(part.step_s, 3) == usual:
                sums[block] = sums[block] + part if block in sums else part
    return sums


def lags(episodes: Sequence[Checked]) -> np.ndarray:
    """Return how many rows the motion follows the action, of each episode that tells (M,)."""
    return np.array([episode.motion.lag_rows for episode in episodes
                     if episode.motion and episode.motion.lag_rows is not None])


def _duplicates(episodes: Sequence[Checked]) -> Iterator[Finding]:
    for name, count in Counter(episode.episode_id for episode in episodes).items():
        if count > 1:
            yield Finding(Level.ERROR, name, '', 'has an id that is not its own',
                          f'{count} episodes', '1')
    seen: dict[str, str] = {}
    for episode in episodes:
        if episode.digest and episode.digest in seen:
            yield Finding(Level.WARNING, episode.episode_id, '', 'repeats another episode',
                          f'the numbers of {seen[episode.digest]}', 'its own')
        seen.setdefault(episode.digest, episode.episode_id)


def _odd_streams(episodes: Sequence[Checked]) -> Iterator[Finding]:
    """Name the episodes that lack a stream most have, or hold it in another shape."""
    shapes: dict[tuple[str, str], Counter] = {}
    for episode in episodes:
        for name, shape in (episode.shapes or {}).items():
            shapes.setdefault((episode.robot, name), Counter())[shape] += 1
    robots = Counter(episode.robot for episode in episodes)
    for episode in episodes:
        for (robot, name), counts in shapes.items():
            got, (usual, _) = (episode.shapes or {}).get(name), counts.most_common(1)[0]
            have, all_ = sum(counts.values()), robots[robot]
            if robot != episode.robot:
                continue
            if got is None and 2 * have > all_:
                yield Finding(Level.WARNING, episode.episode_id, name, 'is missing', 'nothing',
                              f'a stream that {have} of {all_} episodes have')
            elif got is not None and got != usual:
                yield Finding(Level.WARNING, episode.episode_id, name, 'has another shape',
                              _say(got), _say(usual))


def _odd_rates(episodes: Sequence[Checked]) -> Iterator[Finding]:
    rates: dict[str, list[float]] = {}
    for episode in episodes:
        for name, rhythm in (episode.streams or {}).items():
            if rhythm.samples > 3:
                rates.setdefault(name, []).append(rhythm.rate_hz)
    usual = {name: float(np.median(found)) for name, found in rates.items()}
    for episode in episodes:
        odd = [(name, rhythm.rate_hz) for name, rhythm in (episode.streams or {}).items()
               if rhythm.samples > 3 and abs(rhythm.rate_hz / usual[name] - 1.0) > RATE_SHARE]
        if odd:
            name, rate = odd[0]
            more = f' and {len(odd) - 1} more' if len(odd) > 1 else ''
            yield Finding(
                Level.WARNING, episode.episode_id, name + more, 'has another rate',
                f'{rate:.1f} Hz', f'{usual[name]:.1f} Hz +- {100 * RATE_SHARE:.0f} %')


def _motion(episodes: Sequence[Checked]) -> Iterator[Finding]:
    """Judge all motion together, unless most episodes failed already by themselves."""
    told = [episode.motion for episode in episodes if episode.motion]
    good = sum(bool(motion.sums) for motion in told)
    if good >= sum(bool(motion.findings) for motion in told):
        yield from judge_all(pooled(episodes))


def _lags(episodes: Sequence[Checked]) -> Iterator[Finding]:
    found, sums = lags(episodes), pooled(episodes)
    if len(found) < LAG_EPISODES or not sums:
        return
    step_s = next(iter(sums.values())).step_s
    low, high = np.quantile(found, [0.1, 0.9])
    if high - low > max(LAG_ROWS, LAG_S / step_s):
        yield Finding(
            Level.WARNING, WHOLE, 'action', 'is followed by the motion sooner or later',
            f'{low:.1f} to {high:.1f} rows in the middle 80 % of the episodes',
            f'{max(LAG_ROWS, LAG_S / step_s):.1f} rows between them')


def _dead(episodes: Sequence[Checked]) -> Iterator[Finding]:
    for name in RANGED:
        found = [e.ranges[name] for e in episodes if e.ranges and name in e.ranges]
        if not found or len({low.shape for low, _ in found}) > 1:
            continue
        low, high = np.min([f[0] for f in found], axis=0), np.max([f[1] for f in found], axis=0)
        dead = np.flatnonzero(high - low < DEAD)
        if 0 < len(dead) < len(low):
            yield Finding(
                Level.INFO, WHOLE, name, 'has numbers that never change',
                ', '.join(f'[{k}] = {low[k]:.3g}' for k in dead), 'all of them used')


def _say(shape: tuple) -> str:
    return f'{shape[0]} {tuple(shape[1:])}'


def summary(episodes: Sequence[Checked]) -> Mapping[str, object]:
    """Return the counts that head a report."""
    whole = [episode for episode in episodes if episode.streams is not None]
    names = sorted({name for episode in whole for name in episode.streams})
    return {
        'episodes': len(episodes), 'unreadable': sum(not e.readable for e in episodes),
        'frames': sum(e.frames for e in whole), 'seconds': sum(e.seconds for e in whole),
        'successes': sum(bool(e.success) for e in whole),
        'judged': sum(e.success is not None for e in whole),
        'robots': sorted({e.robot for e in whole}),
        'tasks': dict(sorted(Counter(e.task for e in whole).items())),
        'streams': {name: _rates(whole, name) for name in names}}


def _rates(episodes: Sequence[Checked], name: str) -> dict[str, object]:
    found = [e.streams[name] for e in episodes if name in e.streams]
    dtype, *shape = next(e.shapes[name] for e in episodes if name in e.shapes)
    return {
        'episodes': len(found), 'samples': sum(rhythm.samples for rhythm in found),
        'dtype': dtype, 'shape': list(shape),
        'rate_hz': float(np.median([rhythm.rate_hz for rhythm in found])),
        'jitter_s': float(max(rhythm.jitter_s for rhythm in found)),
        'longest_s': float(max(rhythm.longest_s for rhythm in found)),
        'gaps': sum(len(rhythm.gaps) for rhythm in found)}
