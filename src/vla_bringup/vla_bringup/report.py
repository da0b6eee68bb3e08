"""How a run is told: a table row an episode, the rate at the end, and the results file."""

from collections.abc import Sequence
import json
import os
from pathlib import Path

from rich.console import Console
from rich.text import Text
from vla_bringup.session import Row

_WIDTHS = (4, 24, 9, 9, 40)


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


def write_json(path: Path, results: dict) -> None:
    """Write results so that the file is either the old or the new one, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    partial.write_text(json.dumps(results, indent=2) + '\n')
    os.replace(partial, path)


def _line(*cells: str) -> str:
    padded: Sequence[str] = [
        cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)]
    return ' '.join(padded).rstrip()
