"""The numbers of an episode over time, with its subtasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
import numpy as np
from vla_core.episode import (
    ACTION,
    Episode,
    GRIPPER,
    JOINT_POSITION,
    JOINT_VELOCITY,
    PROGRESS,
    Stream,
    TOOL_POSE,
    WRENCH,
)

_COLOURS = ('#1f6fb4', '#c8641b', '#2b8a57', '#8b4bb0', '#b5334a', '#6b7280', '#a58a14')
_SHADES = ('#eef3f9', '#ffffff')
_MOST = 8  # numbers of a stream of another kind that can be told apart


@dataclass(frozen=True)
class Panel:
    """What is drawn in one panel: columns of streams, in units for people."""

    title: str
    streams: tuple[str, ...]
    columns: slice | int | None = None  # of the values; None: all
    labels: tuple[str, ...] = ()
    scale: float = 1.0


_DEGREES = 180.0 / np.pi
_XYZ = ('x', 'y', 'z')
_PANELS = (
    Panel('tool position [m]', (TOOL_POSE,), slice(0, 3), _XYZ),
    Panel('action: translation [mm]', (ACTION,), slice(0, 3), _XYZ, 1e3),
    Panel('action: rotation [degrees]', (ACTION,), slice(3, 6), _XYZ, _DEGREES),
    Panel('gripper: measured and asked', (GRIPPER, ACTION), -1, ('measured', 'asked')),
    Panel('joint position [rad]', (JOINT_POSITION,)),
    Panel('joint velocity [rad/s]', (JOINT_VELOCITY,)),
    Panel('force [N] and torque [Nm]', (WRENCH,), None, ('fx', 'fy', 'fz', 'tx', 'ty', 'tz')),
    Panel('progress', (PROGRESS,)),
)
_OURS = frozenset(name for panel in _PANELS for name in panel.streams)


def draw_episode(picture: Path, episode: Episode) -> bool:
    """Draw the states and actions as PNG; return False for an episode without numbers."""
    panels = [panel for panel in (*_PANELS, *_others(episode)) if _lines(episode, panel)]
    if not panels:
        return False
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(12.0, 0.5 + 1.75 * rows), layout='constrained')
    grid = figure.subplots(rows, 2, squeeze=False, sharex=True).T.ravel()
    for axes, panel in zip(grid, panels):
        _draw(axes, episode, panel)
    for axes in grid[len(panels):]:
        axes.set_visible(False)
    figure.savefig(picture, dpi=100)
    return True


def _others(episode: Episode) -> list[Panel]:
    """Return a panel for each stream that this suite gives no meaning and that is not its own."""
    ours = ('sim/', 'observation/age_s/', 'action/')
    return [Panel(name, (name,)) for name, stream in sorted(episode.streams.items())
            if name not in _OURS and not name.startswith(ours)
            and len(stream.values.shape) <= 2 and len(stream)]


def _lines(episode: Episode, panel: Panel) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return time (N,) [s] and value (N,) of each line of a panel."""
    found = []
    for name in panel.streams:
        stream = episode.streams.get(name)
        if stream is None or not len(stream) or len(stream.values.shape) > 2:
            continue
        columns = _columns(stream, panel)
        times = (stream.stamps_ns - episode.start_ns) / 1e9
        found += [(times, panel.scale * column) for column in columns.T[:_MOST]]
    return found


def _columns(stream: Stream, panel: Panel) -> np.ndarray:
    """Return the chosen columns (N, D); all of a stream that has others than we know."""
    values = np.asarray(stream.values[:], dtype=np.float64).reshape(len(stream), -1)
    if isinstance(panel.columns, int):
        return values[:, -1:] if values.shape[1] else values
    known = panel.columns is not None and values.shape[1] == 7
    return values[:, panel.columns] if known else values


def _draw(axes: Axes, episode: Episode, panel: Panel) -> None:
    lines = _lines(episode, panel)
    labels = panel.labels if len(panel.labels) == len(lines) else _numbers(len(lines))
    _shade(axes, episode)
    for (times, values), label, colour in zip(lines, labels, (*_COLOURS, *_COLOURS)):
        axes.plot(times, values, color=colour, linewidth=1.1, label=label)
    axes.set_title(panel.title, fontsize=9, loc='left')
    if len(lines) > 1:
        axes.legend(fontsize=7, frameon=False, ncols=1, loc='center left',
                    bbox_to_anchor=(1.0, 0.5), handlelength=1.2)
    axes.tick_params(labelsize=7, labelbottom=True)
    axes.grid(alpha=0.25)
    axes.margins(x=0.0)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)


def _numbers(count: int) -> Sequence[str]:
    return [str(k + 1) for k in range(count)]


def _shade(axes: Axes, episode: Episode) -> None:
    """Mark subtasks by shades and interventions by a red band."""
    start = episode.start_ns
    if len(episode.subtasks) > 1:
        for k, span in enumerate(episode.subtasks):
            axes.axvspan((span.start_ns - start) / 1e9, (span.end_ns - start) / 1e9,
                         color=_SHADES[k % 2], linewidth=0, zorder=-2)
            axes.axvline((span.start_ns - start) / 1e9, color='#b9c3d0', linewidth=0.8, zorder=-1)
    for span in episode.interventions:
        axes.axvspan((span.start_ns - start) / 1e9, (span.end_ns - start) / 1e9,
                     color='#b5334a', alpha=0.12, linewidth=0, zorder=-1)
