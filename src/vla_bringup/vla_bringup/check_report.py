"""The pictures of a check in one folder."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from vla_bringup.check_plot import draw_motion, draw_timeline
from vla_bringup.contact_sheet import contact_sheet, stacked, title, write_picture
from vla_core.episode import Episode, EpisodeReader
from vla_core.errors import InvalidDataError
from vla_recorder.check.checker import Checked
from vla_recorder.check.findings import Finding
from vla_recorder.formats import open_dataset

_EPISODES = 6  # shown picture by picture: those with the most findings first


def write_check_report(
    dataset: Path, format_name: str, episodes: Sequence[Checked], findings: Sequence[Finding],
    folder: Path,
) -> Iterator[Path]:
    """Write findings.txt, streams.png, motion.png and cameras.png; yield what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / 'findings.txt'
    told.write_text(''.join(f'{finding.line()}\n' for finding in findings) or 'no findings\n')
    yield told
    if draw_timeline(folder / 'streams.png', episodes):
        yield folder / 'streams.png'
    readable = [episode for episode in episodes if episode.readable]
    worst = sorted(readable, key=lambda e: -len(e.findings))[:_EPISODES]
    if not worst:
        return
    with closing(open_dataset(dataset, format_name)) as reader:
        samples = list(_read(reader, worst))
        if draw_motion(folder / 'motion.png', episodes, samples):
            yield folder / 'motion.png'
        sheets = [sheet for episode in samples for sheet in _sheet(episode)]
    if sheets:
        write_picture(folder / 'cameras.png', stacked(sheets))
        yield folder / 'cameras.png'


def _read(reader: EpisodeReader, chosen: Sequence[Checked]) -> Iterator[Episode]:
    for episode in sorted(chosen, key=lambda e: e.index):
        try:
            yield reader.read(episode.index)
        except InvalidDataError:  # told of already
            continue


def _sheet(episode: Episode) -> Iterator:
    try:
        sheet = contact_sheet(episode)
    except InvalidDataError:  # lazy pictures are read only now; told of already
        return
    if sheet is not None:
        yield stacked([title(f'{episode.episode_id}: {episode.instruction}', sheet.shape[1]),
                       sheet])
