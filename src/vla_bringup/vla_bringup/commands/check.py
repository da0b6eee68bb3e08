"""Check a data set before anybody trains on it."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
import os
from pathlib import Path
import shlex
import sys
from typing import Annotated

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text
import tyro
from vla_bringup.check_report import write_check_report
from vla_bringup.report import write_json
from vla_core.errors import InvalidDataError
from vla_recorder.check.across import judge_dataset, summary
from vla_recorder.check.checker import check_index, Checked
from vla_recorder.check.files import file_findings
from vla_recorder.check.findings import count_levels, Finding, grouped, Level, WHOLE
from vla_recorder.check.repair import Repair, repair
from vla_recorder.formats import detect, find_format, open_dataset
from vla_training.evaluate import Outcome, run_episodes, RunEpisode

_SHOWN = 3  # episodes with the same fault that are told one by one
_STYLES = {Level.ERROR: 'red', Level.WARNING: 'yellow', Level.INFO: None}
_FEW = 16  # episodes that one process checks as soon as several would


@dataclass(frozen=True)
class CheckOptions:
    """Look for what would spoil a policy that learns from a data set, in any format.

    Every episode is read: stamps and gaps, NaN, cameras that froze or see nothing, joints
    against their velocities and against the tool, and whether the recorded action explains the
    motion that followed (units, frame, axes, sign, rows shifted in time). Then the episodes are
    held against each other, and files against their checksums and statistics.

    The exit code is 1 where errors were found, 0 otherwise, 2 for a path that is no data set.

    Examples:
        ./vla check data/demos
        ./vla check data/demos_lerobot --report runs/check --json check.json
        ./vla check data/demos --repair

    """

    dataset: tyro.conf.Positional[Path]
    """Folder or file of the data set."""
    format: Annotated[str, tyro.conf.arg(metavar='NAME')] = ''
    """Its format (found by looking at it without this)."""
    repair: bool = False
    """Remove what killed writers left, rebuild index and statistics, and move episodes that
    cannot be read to DATASET.quarantine; every change is told."""
    report: Path | None = None
    """Folder for pictures: the streams over time, action against motion, the cameras."""
    json: Path | None = None
    """File for all findings."""
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Processes."""


@dataclass(frozen=True)
class Found:
    """All that came of a check."""

    format_name: str
    episodes: tuple[Checked, ...]
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> bool:
        """Whether there is an error among the findings."""
        return any(finding.level is Level.ERROR for finding in self.findings)


def main(options: CheckOptions) -> int:
    """Check, tell, mend where asked to, and write the report."""
    if options.workers < 1:
        raise InvalidDataError(f'--workers: got {options.workers}, allowed 1 or more')
    console = Console(highlight=False, markup=False, soft_wrap=True)
    found, done = _check(options), None
    if options.repair:
        tell(found, console)
        done = repair(options.dataset, found.format_name, found.episodes)
        _tell_repair(done, console)
        found = _check(options)
    tell(found, console)
    if options.report:
        for path in write_check_report(
                options.dataset, found.format_name, found.episodes, found.findings,
                options.report):
            console.print(str(path))
    if options.json:
        write_json(options.json, to_dict(options.dataset, found, done))
    return int(found.failed)


def tell(found: Found, console: Console) -> None:
    """Print the findings, errors first, and the counts."""
    for (level, _, _), same in grouped(found.findings).items():
        for finding in same[:_SHOWN]:
            console.print(Text(finding.line(), style=_STYLES[level] or ''))
        if len(same) > _SHOWN:
            console.print(Text(f'{level.value}: ... and {len(same) - _SHOWN} episodes more: '
                               f'{same[0].stream}: {same[0].what}', style=_STYLES[level] or ''))
    counts, told = summary(found.episodes), count_levels(found.findings)
    for line in _rates(counts['streams']):
        console.print(line, style='dim')
    console.print(
        f'{counts["episodes"]} episodes ({counts["successes"]} successful of {counts["judged"]} '
        f'judged), {counts["frames"]} frames, {counts["seconds"]:.0f} s as {found.format_name}: '
        f'{told["error"]} errors, {told["warning"]} warnings, {told["info"]} notes', style='bold')


def to_dict(dataset: Path, found: Found, done: Repair | None) -> dict:
    """Return the JSON document."""
    return {
        'dataset': str(dataset), 'format': found.format_name,
        'counts': count_levels(found.findings), 'summary': dict(summary(found.episodes)),
        'findings': [finding.to_dict() for finding in found.findings],
        'episodes': [
            {'id': e.episode_id, 'readable': e.readable, 'task': e.task, 'success': e.success,
             'frames': e.frames, 'seconds': e.seconds, 'findings': len(e.findings),
             'lag_rows': e.motion.lag_rows if e.motion else None} for e in found.episodes],
        'repair': {'changes': done.changes, 'refusals': done.refusals} if done else None,
        'command': shlex.join(['./vla', *sys.argv[1:]])}


def _check(options: CheckOptions) -> Found:
    path, name = options.dataset, options.format
    format_ = find_format(name) if name else detect(path)
    files = list(file_findings(path, format_.name))
    try:
        with closing(open_dataset(path, format_.name)) as reader:
            count = len(reader)
    except InvalidDataError as error:
        broken = Finding(Level.ERROR, WHOLE, '', 'cannot be opened', str(error),
                         f'a whole {format_.name} data set')
        return Found(format_.name, (), (broken, *files))
    episodes = tuple(sorted(_episodes(path, format_.name, count, options.workers),
                            key=lambda episode: episode.index))
    findings = [finding for episode in episodes for finding in episode.findings]
    return Found(format_.name, episodes, (*findings, *judge_dataset(episodes), *files))


def _episodes(path: Path, name: str, count: int, workers: int) -> Iterator[Checked]:
    """Yield the checked episodes as they come, with a progress bar."""
    bar = Progress(
        TextColumn('check'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn('{task.fields[faults]} findings'), console=Console(stderr=True))
    with bar:
        line, faults = bar.add_task('', total=count, faults=0), 0
        for episode in _results(path, name, count, workers):
            faults += len(episode.findings)
            bar.update(line, advance=1, faults=faults)
            yield episode


def _results(path: Path, name: str, count: int, workers: int) -> Iterator[Checked]:
    if workers == 1 or count < _FEW:
        with closing(open_dataset(path, name)) as reader:
            for index in range(count):
                yield check_index(reader, index)
        return
    jobs: Sequence[tuple[int]] = [(index,) for index in range(count)]
    with closing(run_episodes(jobs, partial(_start, path, name), workers)) as results:
        for _, outcome in results:
            yield outcome['episode']


def _start(path: Path, name: str) -> RunEpisode:
    """Open the data set in a process of its own."""
    reader = open_dataset(path, name)

    def run(index: int) -> Outcome:
        return {'episode': check_index(reader, index)}
    return run


def _rates(streams: dict) -> Iterator[str]:
    """Yield a line for each rate, with the streams that have it."""
    groups: dict[str, list[str]] = {}
    for name, of in streams.items():
        text = (f'{of["rate_hz"]:8.2f} Hz, +-{1e3 * of["jitter_s"]:.1f} ms at worst, '
                f'longest period {of["longest_s"]:.3f} s, {of["samples"]} samples')
        groups.setdefault(text, []).append(name)
    for text, names in groups.items():
        more = f' and {len(names) - 4} more' if len(names) > 4 else ''
        yield f'{text}: {", ".join(names[:4])}{more}'


def _tell_repair(done: Repair, console: Console) -> None:
    for change in done.changes:
        console.print(f'repair: {change}', style='green')
    for refusal in done.refusals:
        console.print(f'repair refused: {refusal}', style='red')
    if not done.changes and not done.refusals:
        console.print('repair: nothing to do', style='green')
