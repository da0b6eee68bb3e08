"""Pages that show the episodes of a data set: one each, and an index."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
import os
from pathlib import Path

import jinja2
from vla_bringup.contact_sheet import contact_sheet, write_picture
from vla_bringup.episode_plot import draw_episode
from vla_core.episode import Episode
from vla_core.errors import InvalidDataError


@dataclass(frozen=True)
class Card:
    """What the index says of an episode."""

    index: int
    page: str  # file name of its page; empty for one that cannot be read
    episode_id: str
    task: str = ''
    instruction: str = ''
    success: bool | None = None
    seconds: float = 0.0
    frames: int = 0
    cameras: str = ''  # file name of the contact sheet
    plot: str = ''
    problem: str = ''


def write_episode(folder: Path, index: int, episode: Episode, moments: int) -> Card:
    """Write page, contact sheet and plot of an episode; files bear its number, not its id."""
    name, problem = f'{index:06d}', ''
    try:
        sheet = contact_sheet(episode, moments)
    except InvalidDataError as error:  # lazy pictures are read only now
        sheet, problem = None, str(error)
    if sheet is not None:
        write_picture(folder / f'{name}.jpg', sheet)
    drawn = draw_episode(folder / f'{name}.png', episode)
    card = Card(
        index, f'{name}.html', episode.episode_id, episode.task, episode.instruction,
        episode.success, (episode.end_ns - episode.start_ns) / 1e9,
        max((len(stream) for stream in episode.streams.values()), default=0),
        f'{name}.jpg' if sheet is not None else '', f'{name}.png' if drawn else '', problem)
    start = episode.start_ns
    spans = [{'begin': (span.start_ns - start) / 1e9, 'end': (span.end_ns - start) / 1e9,
              'text': getattr(span, 'text', None) or span.source}
             for span in (*episode.subtasks, *episode.interventions)]
    _write(folder / card.page, 'episode.html', {
        'card': card, 'robot': episode.robot, 'seed': episode.seed, 'spans': spans,
        'meta': dict(episode.meta), 'questions': [asdict(q) for q in episode.questions],
        'streams': [_row(episode, stream) for stream in sorted(episode.streams)]})
    return card


def write_index(folder: Path, dataset: Path, format_name: str, cards: Sequence[Card]) -> Path:
    """Write the page that leads to all episodes."""
    path = folder / 'index.html'
    _write(path, 'episodes.html', {
        'dataset': str(dataset), 'format': format_name, 'cards': cards,
        'seconds': sum(card.seconds for card in cards),
        'successes': sum(bool(card.success) for card in cards),
        'judged': sum(card.success is not None for card in cards)})
    return path


def _row(episode: Episode, name: str) -> dict[str, str]:
    stream = episode.streams[name]
    period = (stream.stamps_ns[-1] - stream.stamps_ns[0]) / 1e9 / max(1, len(stream) - 1) if len(
        stream) else 0.0
    return {'name': name, 'samples': str(len(stream)),
            'rate': f'{1.0 / period:.2f} Hz' if period else '',
            'kind': f'{stream.values.dtype} {tuple(stream.values.shape[1:]) or ""}'}


def _write(path: Path, template: str, values: Mapping) -> None:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader('vla_bringup'), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    partial = path.with_name(f'{path.name}.partial')
    partial.write_text(environment.get_template(template).render(**values))
    os.replace(partial, path)
