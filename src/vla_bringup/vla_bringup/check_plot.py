"""Pictures of a check: the streams over time, and the action against the motion."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
import numpy as np
from vla_core.episode import ACTION, Episode, TOOL_POSE
from vla_recorder.check.across import lags, pooled
from vla_recorder.check.checker import Checked
from vla_recorder.check.explain import plain_curve
from vla_recorder.check.moments import LAGS
from vla_recorder.check.motion import poses_at, step_motion
from vla_recorder.check.stamps import Rhythm
from vla_recorder.check.streams import known_rows, whole_stream

BLUE, RED, GREY, ORANGE = '#1f6fb4', '#c22f2f', '#8a8d93', '#c8641b'
_PANELS = 8  # streams with stamps of their own
_ROWS = 40  # episodes in a panel
_AXES = ('x', 'y', 'z', 'rotation x', 'rotation y', 'rotation z')


def draw_timeline(picture: Path, episodes: Sequence[Checked]) -> bool:
    """Draw when each stream has samples, an episode a row, gaps in red; PNG.

    Streams of the same stamps share a panel. Return False where there is nothing to draw.
    """
    shown = sorted([e for e in episodes if e.streams], key=_gaps, reverse=True)[:_ROWS]
    shown.sort(key=lambda episode: episode.index)
    groups = _shared(shown)
    if not groups:
        return False
    tall = 0.9 + sum(_tall(len(shown)) for _ in groups)
    figure = Figure(figsize=(10.0, tall), layout='constrained')
    panels = figure.subplots(len(groups), 1, squeeze=False, sharex=True)[:, 0]
    for axes, names in zip(panels, groups):
        _timeline(axes, names, shown)
    panels[-1].set_xlabel('time from the start of the episode [s]', fontsize=8)
    more = '' if len(shown) == len(episodes) else f' ({len(shown)} of {len(episodes)}, '\
        'those with the most gaps)'
    figure.suptitle(f'samples of each stream, an episode a row{more}; gaps are red', fontsize=10)
    figure.savefig(picture, dpi=110)
    return True


def draw_motion(picture: Path, episodes: Sequence[Checked], samples: Sequence[Episode]) -> bool:
    """Draw the action against the motion after it: over time, by axis and by lag; PNG."""
    pairs = [pair for pair in map(_pair, samples) if pair is not None]
    if not pairs:
        return False
    sums, found = pooled(episodes), lags(episodes)
    lag = float(np.median(found)) if len(found) else 0.0
    figure = Figure(figsize=(11.0, 9.4), layout='constrained')
    grid = figure.add_gridspec(4, 6, height_ratios=(1.0, 0.62, 0.62, 1.05))
    _lag_curves(figure.add_subplot(grid[0, :3]), sums)
    _lag_counts(figure.add_subplot(grid[0, 3:]), found)
    _over_time(figure, grid, pairs[0])
    for column, name in enumerate(_AXES):
        _scatter(figure.add_subplot(grid[3, column]), name, column, pairs, round(lag))
    figure.suptitle(
        f'does the action explain the motion that follows it?\nover time: {pairs[0][0]}; '
        f'by axis: {len(pairs)} episodes', fontsize=10)
    figure.savefig(picture, dpi=110)
    return True


def _gaps(episode: Checked) -> int:
    return sum(len(rhythm.gaps) for rhythm in episode.streams.values())


def _tall(rows: int) -> float:
    return 0.55 + 0.055 * max(rows, 4)


def _shared(episodes: Sequence[Checked]) -> list[list[str]]:
    """Return the names of streams, those with the same stamps in every episode together."""
    names = sorted({name for episode in episodes for name in episode.streams})
    groups: dict[tuple[Rhythm | None, ...], list[str]] = {}
    for name in names:
        groups.setdefault(tuple(e.streams.get(name) for e in episodes), []).append(name)
    return list(groups.values())[:_PANELS]


def _timeline(axes: Axes, names: Sequence[str], episodes: Sequence[Checked]) -> None:
    bars, holes = [], []
    for row, episode in enumerate(episodes):
        rhythm = episode.streams.get(names[0])
        if rhythm and rhythm.samples:
            bars.append([(rhythm.begin_s, row), (rhythm.end_s, row)])
            holes += [[(begin, row), (end, row)] for begin, end in rhythm.gaps]
    width = max(1.2, min(6.0, 110 / max(len(episodes), 1) * 0.4))
    axes.add_collection(LineCollection(bars, colors=BLUE, linewidths=width, capstyle='butt'))
    axes.add_collection(LineCollection(holes, colors=RED, linewidths=width + 1, capstyle='butt'))
    rhythms = [e.streams[names[0]] for e in episodes if names[0] in e.streams]
    rate = float(np.median([rhythm.rate_hz for rhythm in rhythms]))
    longest = max(rhythm.longest_s for rhythm in rhythms)
    more = f' and {len(names) - 3} more' if len(names) > 3 else ''
    axes.set_title(f'{", ".join(names[:3])}{more}: {rate:.1f} Hz, longest period '
                   f'{longest:.3f} s, {len(holes)} gaps', fontsize=8, loc='left')
    axes.set_ylim(len(episodes) - 0.4, -0.6)
    axes.set_yticks([])
    axes.autoscale(axis='x')
    axes.margins(x=0.01)
    _plain(axes)


def _pair(episode: Episode) -> tuple[str, np.ndarray, np.ndarray, np.ndarray] | None:
    """Return name, time (N,) [s], action (N, 6) and motion (N, 6) of an episode's steps."""
    action, poses = known_rows(episode, ACTION, 7), whole_stream(episode, TOOL_POSE, 7)
    if action is None or poses is None or len(action) < 3:
        return None
    if (np.linalg.norm(poses.values[:, 3:], axis=1) < 0.1).any():
        return None
    at = poses_at(poses, action.stamps_ns)
    if not np.isfinite(at).all():
        return None
    times = (action.stamps_ns[:-1] - episode.start_ns) / 1e9
    return episode.episode_id, times, action.values[:-1, :6], step_motion(at)


def _lag_curves(axes: Axes, sums: Mapping) -> None:
    for (block, part), colour in zip(sums.items(), (BLUE, ORANGE)):
        curve = plain_curve(part)
        told = curve != 0.0
        axes.plot(LAGS[told], curve[told], 'o-', color=colour, markersize=3.5, label=block)
    axes.axvspan(LAGS[0], -0.35, color=RED, alpha=0.08, linewidth=0)
    axes.axvline(0, color='black', linewidth=0.6)
    axes.axhline(0, color='black', linewidth=0.6)
    axes.set(ylim=(min(-0.3, axes.get_ylim()[0]), 1.02), xlim=(LAGS[0], LAGS[-1]))
    axes.set_xlabel('motion after its action [rows]', fontsize=8)
    axes.set_ylabel('correlation', fontsize=8)
    axes.set_title('all episodes without an error; a peak in the red: rows are shifted',
                   fontsize=8, loc='left')
    if sums:
        axes.legend(fontsize=8, frameon=False)
    _plain(axes)


def _lag_counts(axes: Axes, found: np.ndarray) -> None:
    axes.hist(found, bins=np.arange(LAGS[0], LAGS[-1] + 0.25, 0.25), color=BLUE)
    axes.axvline(0, color='black', linewidth=0.6)
    axes.set_xlabel('rows by which the motion follows', fontsize=8)
    axes.set_ylabel('episodes', fontsize=8)
    axes.set_title('lag of each episode', fontsize=8, loc='left')
    _plain(axes)


def _over_time(
    figure: Figure, grid: object, pair: tuple[str, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    _, times, action, motion = pair
    for k, axis in enumerate(_AXES):
        row, column = 1 + k // 3, 2 * (k % 3)
        axes = figure.add_subplot(grid[row, column:column + 2])
        scale = 1e3 if k < 3 else 180 / np.pi
        axes.plot(times, scale * motion[:, k], color=GREY, linewidth=2.4, label='motion')
        axes.plot(times, scale * action[:, k], color=BLUE, linewidth=0.9, label='action')
        unit = 'mm' if k < 3 else 'degrees'
        axes.set_title(f'{axis} [{unit} a row]', fontsize=8, loc='left')
        if k == 0:
            axes.legend(fontsize=7, frameon=False, ncols=2, loc='best')
        if row == 2:
            axes.set_xlabel('s', fontsize=8)
        _plain(axes)


def _scatter(axes: Axes, name: str, column: int, pairs: Sequence, lag: int) -> None:
    lag = max(0, lag)
    scale = 1e3 if column < 3 else 180 / np.pi
    x = np.concatenate([scale * a[:len(a) - lag, column] for _, _, a, _ in pairs])
    y = np.concatenate([scale * m[lag:, column] for _, _, _, m in pairs])
    axes.plot(x, y, '.', color=BLUE, markersize=2.5, alpha=0.5)
    reach = 1.1 * max(_most(y), 1e-6)
    axes.plot([-reach, reach], [-reach, reach], color='black', linewidth=0.6)
    axes.set_ylim(-reach, reach)
    wide = max(1.1 * _most(x), reach)
    axes.set_xlim(-wide, wide)
    unit = 'mm' if column < 3 else 'deg'
    axes.set_xlabel(f'action [{unit}]', fontsize=8)
    if column == 0:
        axes.set_ylabel(f'motion {lag} row{"s" * (lag != 1)} later', fontsize=8)
    axes.set_title(name, fontsize=8, loc='left')
    _plain(axes)


def _most(values: np.ndarray) -> float:
    """Return the size below which nearly all values are."""
    return float(np.quantile(np.abs(values), 0.995)) if len(values) else 0.0


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.25)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)
