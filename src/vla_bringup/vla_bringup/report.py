"""How a run is told: a table row an episode, the rate at the end, and the results file."""

from collections.abc import Sequence
import json
import os
from pathlib import Path

from rich.console import Console
from rich.text import Text
from vla_bringup.session import Row

_WIDTHS = (4, 24, 9, 9, 40)
_FAILURES = 20  # printed of an exam; its report shows more


class Report:
    """Prints a table that grows by one row an episode."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._count = 0

    def row(self, row: Row) -> None:
        """Print one episode."""
        if self._count == 0:
            head = _line('#', 'task', 'success', 'seconds', 'instruction')
            self._console.print(head, style='bold')
        self._count += 1
        verdict = 'yes' if row.success else 'no'
        text = _line(
            str(self._count), row.task or 'free', verdict, f'{row.seconds:.1f}',
            row.instruction if row.success else f'{row.instruction} [{row.reason}]')
        self._console.print(Text(text, style='green' if row.success else 'red'))

    def summary(self, results: dict) -> None:
        """Print the success rate with its 95 % interval."""
        count = len(results['episodes'])
        if count == 0:
            self._console.print('no episode was finished', style='red')
            return
        won = sum(episode['success'] for episode in results['episodes'])
        low, high = results['ci95']
        self._console.print(
            f'success {won} of {count}: {100 * results["success_rate"]:.1f} % '
            f'(95 % interval {100 * low:.1f} to {100 * high:.1f} %), '
            f'policy {results["policy"]}', style='bold')


def tell_exam(results: dict, console: Console) -> None:
    """Print what came of an exam: its first failures, the rates, and how the others differ."""
    for failure in results['failures'][:_FAILURES]:
        name = f'{failure["task"]} {failure["seed"]} {failure["perturbation"]}'.rstrip()
        console.print(Text(
            f'{name:<34} {failure["instruction"]} [{failure["reason"]}]', style='red'),
            soft_wrap=True)
    if len(results['failures']) > _FAILURES:
        console.print(f'... and {len(results["failures"]) - _FAILURES} failures more', style='red')
    for name, rate in results['per_task'].items():
        console.print(f'{name:<34} {_percent(rate["success_rate"]):>8} of {rate["count"]}')
    for name, group in results['perturbed'].items():
        gap, (low, high) = group['difference']['success_rate'], group['difference']['ci95']
        console.print(
            f'perturbed: {name:<23} {_percent(group["success_rate"]):>8} of {group["count"]}, '
            f'{100 * gap:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})')
    if 'chain' in results:
        chain, (low, high) = results['chain'], results['chain']['average_length_ci95']
        shares = ', '.join(_percent(share) for share in chain['success_at'])
        console.print(f'tasks in a row, 1 to 5: {shares}')
        console.print(f'average length {chain["average_length"]:.2f} '
                      f'(95 % interval {low:.2f} to {high:.2f})', style='bold')
    Report(console).summary(results)


def write_json(path: Path, results: dict) -> None:
    """Write results so that the file is either the old or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    partial.write_text(json.dumps(results, indent=2) + '\n')
    os.replace(partial, path)


def _percent(share: float) -> str:
    return f'{100 * share:.1f} %'


def _line(*cells: str) -> str:
    padded: Sequence[str] = [
        cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)]
    return ' '.join(padded).rstrip()
