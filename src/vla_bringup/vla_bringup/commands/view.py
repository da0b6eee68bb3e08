"""Look at the episodes of a data set."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
import re
from typing import Annotated

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
import tyro
from vla_bringup.episode_page import Card, write_episode, write_index
from vla_bringup.rerun_export import load_rerun, write_recording
from vla_core.episode import EpisodeReader
from vla_core.errors import InvalidDataError
from vla_recorder.formats import detect, find_format, open_dataset

_PIECE = re.compile(r'(\d+)(?:(:)(\d*))?|:(\d+)')


@dataclass(frozen=True)
class ViewOptions:
    """Show episodes of a data set in any format as a folder of pages.

    `index.html` leads to a page an episode: what each camera saw from start to end with the
    words of the subtasks, states and actions over time, and all that is recorded. With --rerun
    each is also written as a recording for the Rerun viewer.

    Examples:
        ./vla view data/demos --out runs/look
        ./vla view data/demos_lerobot --episodes 0:5 17 --moments 12
        ./vla view data/demos --episodes 3 --rerun

    """

    dataset: tyro.conf.Positional[Path]
    """Folder or file of the data set."""
    out: Path = Path('runs/view')
    """Folder for the pages."""
    episodes: Annotated[tuple[str, ...], tyro.conf.arg(metavar='N|FIRST:STOP')] = (':20',)
    """Episodes to show, e.g. 7, 0:10 or 5: (the first 20 without it)."""
    moments: int = 8
    """Pictures of each camera."""
    rerun: bool = False
    """Write a .rrd file an episode, too; needs the package rerun-sdk."""
    format: Annotated[str, tyro.conf.arg(metavar='NAME')] = ''
    """Format of the data set (found by looking at it without this)."""


def main(options: ViewOptions) -> int:
    """Write the pages and say where they are."""
    if not 2 <= options.moments <= 100:
        raise InvalidDataError(f'--moments: got {options.moments}, allowed 2 to 100')
    rerun = load_rerun() if options.rerun else None
    found = find_format(options.format) if options.format else detect(options.dataset)
    with closing(open_dataset(options.dataset, found.name)) as reader:
        chosen = choose(options.episodes, len(reader))
        options.out.mkdir(parents=True, exist_ok=True)
        cards = list(_cards(options, reader, chosen))
        if rerun is not None:
            for card in (card for card in cards if card.page):
                path = options.out / f'{card.index:06d}.rrd'
                write_recording(path, reader.read(card.index), rerun)
                print(path)
    print(write_index(options.out, options.dataset, found.name, cards))
    bad = [card for card in cards if card.problem]
    for card in bad:
        print(f'{card.episode_id}: {card.problem}')
    return 0


def choose(pieces: tuple[str, ...], count: int) -> list[int]:
    """Return the episodes that numbers and spans name, each once, in order."""
    chosen: set[int] = set()
    for piece in pieces:
        match = _PIECE.fullmatch(piece) if piece != ':' else None
        if match is None and piece != ':':
            raise InvalidDataError(
                f'--episodes: got {piece!r}, allowed N, FIRST:STOP, FIRST: or :STOP')
        if match is None:
            chosen |= set(range(count))
        elif match[1] is None or match[2]:
            stop = match[4] if match[1] is None else match[3]
            chosen |= set(range(int(match[1] or 0), min(count, int(stop or count))))
        elif int(match[1]) < count:
            chosen.add(int(match[1]))
        else:
            raise InvalidDataError(f'--episodes: got {piece}, allowed 0 to {count - 1}')
    return sorted(chosen)


def _cards(options: ViewOptions, reader: EpisodeReader, chosen: list[int]) -> Iterator[Card]:
    """Yield what the index says of each episode, with a progress bar."""
    bar = Progress(TextColumn('view'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                   console=Console(stderr=True))
    with bar:
        for index in bar.track(chosen):
            try:
                episode = reader.read(index)
            except InvalidDataError as error:
                yield Card(index, '', f'#{index}', problem=str(error))
                continue
            yield write_episode(options.out, index, episode, options.moments)
