"""Pictures of a comparison and of a screening."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
import numpy as np
from vla_training.comparison import Comparison, Verdict
from vla_training.screening import Agreement, Screened, SPOKEN
from vla_training.statistics import difference_interval, wilson_interval

_COLOURS = {Verdict.A: '#1f6fb4', Verdict.B: '#c8641b', Verdict.UNDECIDED: '#7a7a7a'}


def draw_forest(
    picture: Path, rows: Mapping[str, Comparison], a: str, b: str, title: str, sums: int = 1
) -> None:
    """Draw the paired difference of each row with its 95 % interval as PNG.

    The last `sums` rows are bold.
    """
    figure = Figure(figsize=(9.0, 1.5 + 0.34 * len(rows)), layout='constrained')
    axes = figure.subplots()
    for place, row in enumerate(rows.values()):
        _difference(axes, place, row, bold=place >= len(rows) - sums)
    axes.axvline(0, color='black', linewidth=0.8)
    axes.axhline(len(rows) - sums - 0.5, color='black', linewidth=0.4)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(-100, 100)
    axes.set_xlabel(f'A minus B [percentage points]\nA = {a}\nB = {b}')
    axes.set_title(title, fontsize=10)
    axes.grid(axis='x', alpha=0.3)
    _save(figure, picture)


def draw_screening(
    picture: Path, candidates: Sequence[Screened], measures: Mapping[str, Agreement],
    loss_measures: Mapping[str, Agreement], loss_name: str,
) -> None:
    """Draw quick against full success and, beside it, the loss against full success, as PNG."""
    known = [c for c in candidates if c.loss is not None]
    figure = Figure(figsize=(6.2 * (1 + bool(known)), 5.4), layout='constrained')
    panels = figure.subplots(1, 1 + bool(known), squeeze=False)[0]
    for number, candidate in enumerate(candidates):
        _point(panels[0], candidate.quick, candidate, number)
    panels[0].plot([0, 100], [0, 100], color='black', linewidth=0.6, linestyle=':')
    panels[0].set(xlabel='quick exam, success [%]', xlim=(-4, 104), title=_title(
        'The quick exam ranks', measures))
    if known:
        for candidate in known:
            _point(panels[1], candidate.loss, candidate, candidates.index(candidate))
        panels[1].set(xlabel=f'{loss_name} (better to the right)', title=_title(
            'The loss ranks', loss_measures))
        panels[1].invert_xaxis()
    for axes in panels:
        axes.set(ylabel='full exam, success [%]', ylim=(-4, 104))
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize=7.5, loc='upper left', framealpha=0.9)
    _save(figure, picture)


def _difference(axes: Axes, place: int, row: Comparison, bold: bool) -> None:
    low, high = (100 * edge for edge in difference_interval(row.counts))
    colour = _COLOURS[row.verdict]
    axes.plot([low, high], [place, place], color=colour, linewidth=3.5 if bold else 1.8)
    axes.plot(100 * row.counts.difference, place, 'D' if bold else 'o', color=colour,
              markersize=9 if bold else 6)
    said = f'{100 * row.rate_a:.0f} / {100 * row.rate_b:.0f} %   {row.verdict.value}'
    axes.text(1.02, place, said, transform=axes.get_yaxis_transform(), va='center',
              fontsize=8.5, color=colour, fontweight='bold' if bold else 'normal')


def _point(
    axes: Axes, x: np.ndarray | float, candidate: Screened, number: int
) -> None:
    """Draw one checkpoint with 95 % intervals; `x` is a loss or (N,) bool outcomes."""
    here, spread = (float(x), None) if isinstance(x, float) else _percent(x)
    y, up_down = _percent(candidate.full)
    colour = f'C{number % 10}'
    axes.errorbar(here, y, xerr=spread, yerr=up_down, fmt='o', color=colour, elinewidth=1.0,
                  alpha=0.9, label=f'{number + 1}  {candidate.name}')
    axes.annotate(f'{number + 1}', (here, y), xytext=(5, 5), textcoords='offset points',
                  color=colour, fontsize=9, fontweight='bold')


def _percent(outcomes: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the rate [%] and how far its interval reaches down and up (2, 1) [%]."""
    rate = 100 * float(np.mean(outcomes))
    low, high = wilson_interval(int(np.sum(outcomes)), len(outcomes))
    return rate, np.clip([[rate - 100 * low], [100 * high - rate]], 0, None)


def _title(what: str, measures: Mapping[str, Agreement]) -> str:
    lines = [f'{SPOKEN[name]} {found.value:.2f} [{found.low:.2f}, {found.high:.2f}]'
             for name, found in measures.items()]
    return '\n'.join([what, *lines])


def _save(figure: Figure, picture: Path) -> None:
    picture.parent.mkdir(parents=True, exist_ok=True)
    temporary = picture.with_suffix('.tmp.png')
    figure.savefig(temporary, dpi=120)
    temporary.replace(picture)
