"""Curves of a training run as a picture."""

import json
from pathlib import Path

from matplotlib.figure import Figure


def draw_curves(log: Path, picture: Path) -> None:
    """Draw the losses in a log.jsonl over minutes, one panel a loss, as PNG."""
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    if not rows:
        return
    names = [name for name in rows[0] if name not in ('step', 'seconds')]
    figure = Figure(figsize=(3.2 * len(names), 2.8), layout='constrained')
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        axes.plot([row['seconds'] / 60 for row in rows], [row[name] for row in rows])
        axes.set(title=name, xlabel='minutes', yscale='log')
        axes.grid(alpha=0.3)
    temporary = picture.with_suffix('.tmp.png')
    figure.savefig(temporary, dpi=110)
    temporary.replace(picture)
