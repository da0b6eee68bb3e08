"""The report of an exam as one HTML page that needs nothing but its videos beside it."""

import base64
from collections.abc import Mapping
import os
from pathlib import Path

import jinja2
from vla_bringup.failure_video import FOLDER


def write_report(results: Mapping, folder: Path) -> None:
    """Write `folder`/report.html from the document of `exam_results`; videos lie in `folder`."""
    page = _environment().get_template('exam.html').render(
        results=results, exam=results['exam'], cards=_cards(results, folder),
        columns=_columns(results), videos=FOLDER)
    partial = folder / 'report.html.partial'
    partial.write_text(page)
    os.replace(partial, folder / 'report.html')


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader('vla_bringup'), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {
        'percent': lambda share: f'{100 * share:.1f} %',
        'points': _points,
        'words': lambda name: name.replace('_', ' ')}
    return environment


def _points(share: float) -> str:
    """Return a difference of shares in percentage points, with a sign unless it is none."""
    text = f'{100 * share:+.1f}'
    return text[1:] if float(text) == 0.0 else text.replace('-', '\N{MINUS SIGN}')


def _columns(results: Mapping) -> list[dict]:
    """Return the standard exam and the perturbed ones as columns of one table."""
    standard = {'name': 'standard', 'difference': None, **_figures(results)}
    return [standard, *({'name': name, 'difference': group['difference'], **_figures(group)}
                        for name, group in results['perturbed'].items())]


def _figures(group: Mapping) -> dict:
    return {key: group.get(key) for key in ('success_rate', 'ci95', 'count', 'per_task', 'chain')}


def _cards(results: Mapping, folder: Path) -> list[dict]:
    """Return the failures that were filmed, each with its strip as a data URL."""
    cards = []
    for failure in results['failures']:
        strip = folder / FOLDER / f'{failure["name"]}.jpg'
        if failure['filmed'] and strip.exists():
            data = base64.b64encode(strip.read_bytes()).decode()
            cards.append({**failure, 'strip': f'data:image/jpeg;base64,{data}'})
    return cards
