"""How a comparison is told: a table, a JSON document and a picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from vla_bringup.report import write_json
from vla_training.comparison import Comparison, Verdict
from vla_training.comparison_plots import draw_forest
from vla_training.statistics import difference_interval, mcnemar_p, wilson_interval

_WIDTHS = (26, 22, 22, 26, 9, 7)
_STYLES = {Verdict.A: 'green', Verdict.B: 'magenta', Verdict.UNDECIDED: None}


@dataclass(frozen=True)
class ComparisonReport:
    """What was compared, part by part and in sum."""

    a: str
    b: str
    what: str  # the exam in a few words
    parts: Mapping[str, Comparison]  # tasks, say: their verdicts share one level
    sums: Mapping[str, Comparison]  # each with a verdict of its own
    command: str
    notes: Mapping[str, object]  # more fields of the document

    def to_dict(self) -> dict:
        """Return the JSON document."""
        return {
            'a': self.a, 'b': self.b, **self.notes,
            'overall': {name: row.to_dict() for name, row in self.sums.items()},
            'parts': {name: row.to_dict() for name, row in self.parts.items()},
            'command': self.command}


def tell(report: ComparisonReport, folder: Path, json: Path | None) -> None:
    """Print the table and write comparison.json and comparison.png to `folder`."""
    console = Console(highlight=False, markup=False)
    console.print(f'A = {report.a}\nB = {report.b}\n{report.what}', style='bold')
    head = ('', 'A', 'B', 'A minus B', 'A : B', 'p', 'verdict')
    console.print(_line(*head), style='bold', soft_wrap=True)
    for name, row in {**report.parts, **report.sums}.items():
        console.print(_row(name, row), style=_STYLES[row.verdict], soft_wrap=True)
    if len(report.parts) > 1:
        console.print(
            f"Intervals are 95 %; A : B are the pairs that only one won; p is McNemar's exact "
            f'test. The {len(report.parts)} parts share one level: each is decided at '
            f'p <= {next(iter(report.parts.values())).alpha:.4f}.', style='dim', soft_wrap=True)
    for name, row in report.sums.items():
        console.print(f'{name}: {row.say()}', style='bold')
    picture = folder / 'comparison.png'
    draw_forest(picture, {**report.parts, **report.sums}, report.a, report.b, report.what,
                sums=len(report.sums))
    for path in filter(None, (folder / 'comparison.json', json)):
        write_json(path, report.to_dict())
    console.print(f'{folder / "comparison.json"}\n{picture}')


def _row(name: str, row: Comparison) -> str:
    counts = row.counts
    low, high = difference_interval(counts)
    return _line(
        name, _rate(counts.both + counts.only_a, counts.pairs),
        _rate(counts.both + counts.only_b, counts.pairs),
        f'{100 * counts.difference:+6.1f} [{100 * low:+6.1f}, {100 * high:+6.1f}]',
        f'{counts.only_a} : {counts.only_b}', f'{mcnemar_p(counts):.4f}', _short(row))


def _rate(successes: int, pairs: int) -> str:
    low, high = wilson_interval(successes, pairs)
    return f'{100 * successes / max(1, pairs):5.1f} % [{100 * low:4.1f}, {100 * high:5.1f}]'


def _short(row: Comparison) -> str:
    if row.verdict is Verdict.UNDECIDED and row.more is not None:
        return f'undecided, {row.more} more'
    return row.verdict.value


def _line(*cells: str) -> str:
    *cells, last = cells
    return ' '.join([*(c.ljust(w) for c, w in zip(cells, _WIDTHS, strict=True)), last]).rstrip()
