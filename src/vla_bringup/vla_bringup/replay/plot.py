"""The picture of a replay: golden and replayed actions over time, and below them what differs."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
import numpy as np
from vla_bringup.replay.compare import Comparison
from vla_bringup.replay.moment import Moment

BLUE, RED, GREY = '#1f6fb4', '#c22f2f', '#8a8d93'
_PARTS = ((0, 'x [mm]', 1e3), (1, 'y [mm]', 1e3), (2, 'z [mm]', 1e3),
          (3, 'rotation x [mrad]', 1e3), (4, 'rotation y [mrad]', 1e3),
          (5, 'rotation z [mrad]', 1e3), (6, 'gripper [0..1]', 1.0))
_LEAST = 1e-9  # the difference axis begins here; none is drawn below it


def draw_replay(
    picture: Path, got: Sequence[Moment], golden: Sequence[Moment], result: Comparison,
    tolerance: float, title: str,
) -> None:
    """Draw the first action of every chunk by component, and the differences; PNG."""
    start_ns = golden[0].stamp_ns
    figure = Figure(figsize=(11.0, 12.5), layout='constrained')
    panels = figure.subplots(
        len(_PARTS) + 1, 1, sharex=True, height_ratios=[1.0] * len(_PARTS) + [1.9])
    made, seen = _curves(golden, start_ns), _curves(got, start_ns)
    for axes, (column, name, scale) in zip(panels, _PARTS):
        axes.plot(made[0], scale * made[1][:, column], color=GREY, linewidth=4.0, alpha=0.55,
                  label='golden')
        axes.plot(seen[0], scale * seen[1][:, column], color=BLUE, linewidth=1.2,
                  label='replayed')
        _dress(axes, name)
    panels[0].legend(loc='lower right', bbox_to_anchor=(1.0, 0.98), ncols=2, fontsize=8,
                     frameon=False)
    _differences(panels[-1], got, golden, tolerance)
    _subtasks(panels, golden, start_ns)
    first = result.first
    if first is not None:
        at_s = (golden[first.step].stamp_ns - start_ns) * 1e-9
        for axes in panels:
            axes.axvline(at_s, color=RED, linewidth=1.0, linestyle='--')
        panels[-1].annotate(
            f'first: {first.stream}', (at_s, 1.0), xycoords=('data', 'axes fraction'),
            xytext=(4, -11), textcoords='offset points', color=RED, fontsize=8)
    panels[-1].set_xlabel('time from the first step [s]', fontsize=9)
    figure.suptitle(f'{title}\n{result.line or "no difference"}', fontsize=10, wrap=True,
                    color=RED if first else 'black')
    figure.savefig(picture, dpi=110)


def _curves(moments: Sequence[Moment], start_ns: int) -> tuple[np.ndarray, np.ndarray]:
    """Return times (N,) [s] and first rows (N, A); nan where nothing was answered."""
    width = max((m.chunk.shape[1] for m in moments if m.chunk is not None), default=7)
    silent = np.full(max(width, 7), np.nan)
    rows = [silent if m.chunk is None else m.chunk[0] for m in moments]
    times = np.array([(m.stamp_ns - start_ns) * 1e-9 for m in moments])
    return times, np.array(rows).reshape(-1, len(silent))


def _differences(
    axes: Axes, got: Sequence[Moment], golden: Sequence[Moment], tolerance: float,
) -> None:
    """Draw the largest difference over the rows of each chunk, on a logarithmic axis."""
    by_stamp = {moment.stamp_ns: moment for moment in got}
    pairs = [(m.stamp_ns, by_stamp[m.stamp_ns].chunk, m.chunk) for m in golden
             if m.stamp_ns in by_stamp]
    both = [(stamp, one, other) for stamp, one, other in pairs
            if one is not None and other is not None and one.shape == other.shape]
    times = np.array([(stamp - golden[0].stamp_ns) * 1e-9 for stamp, _, _ in both])
    for name, columns, colour in (('xyz [m]', slice(0, 3), BLUE),
                                  ('rotation [rad]', slice(3, 6), '#c8641b'),
                                  ('gripper [0..1]', slice(6, 7), '#5b8c3a')):
        off = np.array([np.abs(one - other)[:, columns].max() for _, one, other in both])
        axes.plot(times, np.maximum(off, _LEAST), color=colour, linewidth=1.1, marker='.',
                  markersize=3, label=name)
    axes.axhline(tolerance, color=RED, linewidth=1.0)
    axes.annotate(f'allowed {tolerance:.0e}', (1.0, tolerance),
                  xycoords=('axes fraction', 'data'), xytext=(-3, 3), ha='right',
                  textcoords='offset points', color=RED, fontsize=8)
    axes.set_yscale('log')
    axes.set_ylim(_LEAST / 2, max(1.0, axes.get_ylim()[1]))
    _dress(axes, 'largest difference\nof any row')
    axes.legend(loc='lower left', ncols=3, fontsize=8, frameon=False)


def _subtasks(panels: Sequence[Axes], golden: Sequence[Moment], start_ns: int) -> None:
    """Mark where the golden run was told another subtask."""
    before = None
    for moment in golden:
        if moment.subtask and moment.subtask != before:
            at_s = (moment.stamp_ns - start_ns) * 1e-9
            panels[0].annotate(moment.subtask, (at_s, 1.0), xycoords=('data', 'axes fraction'),
                               xytext=(2, 3), textcoords='offset points', fontsize=8)
            for axes in panels:
                axes.axvline(at_s, color=GREY, linewidth=0.6, linestyle=':')
        before = moment.subtask or before


def _dress(axes: Axes, name: str) -> None:
    axes.set_ylabel(name, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(color='#e4e5e7', linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)
