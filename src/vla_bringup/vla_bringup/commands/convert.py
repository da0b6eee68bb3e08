"""Convert data sets between formats."""

from dataclasses import dataclass
import json
from pathlib import Path
import re
import shlex
import sys
import time
from typing import Annotated

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
import tyro
from vla_core.errors import InvalidDataError
from vla_core.spec import load_robot
from vla_recorder.checksums import data_files
from vla_recorder.convert.conversion import Conversion, convert, Converted
from vla_recorder.formats import WriteOptions


@dataclass(frozen=True)
class ConvertOptions:
    """Write a data set in another format: lerobot, hdf5, aloha, rlds, mcap or calvin.

    Every stream keeps its own stamps. What one table of frames cannot hold is kept beside it, so
    that reading the result gives the same numbers and texts, bit for bit. DST appears when it is
    whole; the same command goes on where it was stopped, and changes nothing once it is done.

    Examples:
        ./vla convert data/demos data/demos_lerobot --to lerobot
        ./vla convert data/demos_lerobot data/demos_rlds --to rlds --name my_demos
        ./vla convert calvin/training data/calvin --to hdf5 --episodes 0:100
        ./vla convert someones_bag data/theirs --to lerobot --map map.yaml --fps 30
        ./vla convert data/old data/new --to mcap --skip-bad --json report.json

    """

    src: tyro.conf.Positional[Path]
    """Data set, file or bag to read; stays as it is."""
    dst: tyro.conf.Positional[Path]
    """Folder to write: a new one, or one that the same command began."""
    to: str
    """Format to write."""
    source_format: Annotated[str, tyro.conf.arg(name='from')] = ''
    """Format of SRC (found by looking at it without this)."""
    episodes: str = ':'
    """Episodes of SRC, e.g. 0:10, 5: or 7 (all without it)."""
    fps: int | None = None
    """Frames a second where the format has one rate (the episodes' own without it)."""
    robot: str = ''
    """Shipped robot or YAML that declares the alignment of streams and the names of joints (the
    robot of the episodes, if it is shipped, without it)."""
    map: Path | None = None
    """YAML that maps topics of somebody else's bag to streams."""
    name: str = 'vla_dataset'
    """Name of the data set where the format has one (rlds)."""
    compress: bool = False
    """Compress pictures where the format leaves the choice."""
    skip_bad: bool = False
    """Leave episodes out that cannot be read or written; without it they keep DST from being
    finished, and the exit code is 2."""
    json: Path | None = None
    """File for a report."""


def main(options: ConvertOptions) -> int:
    """Convert, and say what was done."""
    plan = _plan(options)
    started = time.monotonic()
    bar = _Bar()
    try:
        done = convert(plan, bar)
    except KeyboardInterrupt:
        bar.close()
        print('vla: interrupted; what is converted so far is kept, the same command goes on',
              file=sys.stderr)
        return 130
    finally:
        bar.close()
    seconds = time.monotonic() - started
    if options.json:
        report = _report(options, done, bar, seconds)
        options.json.write_text(json.dumps(report, indent=1) + '\n')
    return _tell(options, done, bar, seconds)


def _plan(options: ConvertOptions) -> Conversion:
    if options.fps is not None and options.fps < 1:
        raise InvalidDataError(f'--fps: got {options.fps}, allowed 1 or more')
    if options.map is not None and not options.map.is_file():
        raise InvalidDataError(f'--map: got {options.map}, allowed an existing YAML file')
    first, stop = _span(options.episodes)
    write = WriteOptions(
        robot=load_robot(options.robot) if options.robot else None, fps=options.fps,
        name=options.name, compress=options.compress)
    return Conversion(
        options.src, options.dst, options.to, write, options.source_format or None,
        first, stop, options.skip_bad, options.map)


def _span(text: str) -> tuple[int, int | None]:
    """Return the first episode and the one after the last, None: all."""
    match = re.fullmatch(r'(\d*)(:?)(\d*)', text)
    if not text or not match:
        raise InvalidDataError(f'--episodes: got {text!r}, allowed FIRST:STOP, FIRST:, :STOP or N')
    first = int(match[1] or 0)
    if not match[2]:
        return first, first + 1
    return first, int(match[3]) if match[3] else None


def _tell(options: ConvertOptions, done: Converted, bar: '_Bar', seconds: float) -> int:
    if not done.changed:
        print(f'{options.dst} is this conversion already: {done.episodes} episodes, '
              'nothing to do')
        return 0
    for problem in done.problems:
        print(f'vla: {problem}', file=sys.stderr)
    if bar.left_out:
        print(f'vla: {bar.left_out} frames left out of the tables: no fresh sample of every '
              'stream; numbers are kept beside them', file=sys.stderr)
    what = f'{done.episodes} episodes ({bar.frames} frames in {seconds:.1f} s)'
    if done.finished:
        skipped = f', {len(done.bad)} bad ones left out' if done.bad else ''
        print(f'{what} in {options.dst} as {options.to}{skipped}')
        return 0
    print(f'vla: {options.src}: {len(done.bad)} bad episodes; {what} are kept. To finish '
          f'{options.dst} without the bad ones: the same command with --skip-bad',
          file=sys.stderr)
    return 2


def _report(options: ConvertOptions, done: Converted, bar: '_Bar', seconds: float) -> dict:
    place = options.dst
    size = sum((place / name).stat().st_size for name in data_files(place))
    return {
        'source': str(options.src), 'destination': str(place), 'from': done.source_format,
        'to': options.to, 'episodes': done.episodes, 'bad': dict(done.bad),
        'finished': done.finished, 'changed': done.changed, 'bytes': size,
        'frames_this_run': bar.frames, 'seconds': round(seconds, 3),
        'left_out_this_run': bar.left_out, 'problems': list(done.problems),
        'frames_per_s': round(bar.frames / seconds, 1),
        'command': shlex.join(['./vla', *sys.argv[1:]])}


class _Bar:
    """A progress bar over episodes; within one, over the pictures that were read."""

    def __init__(self) -> None:
        self.progress = Progress(
            TextColumn('convert'), BarColumn(),
            TextColumn('{task.fields[episodes]}/{task.fields[of]} episodes '
                       '{task.fields[frames]} frames {task.fields[rate]:.0f}/s'),
            TimeRemainingColumn(), console=Console(stderr=True))
        self.frames = self.left_out = 0
        self._done = self._begun = 0
        self._line: TaskID | None = None

    def begin(self, total: int, done: int) -> None:
        """Show the line."""
        self._done, self._begun = done, time.monotonic()
        self._line = self.progress.add_task(
            '', total=total, completed=done, episodes=done, of=total, frames=0, rate=0.0)
        self.progress.start()  # not before: an error needs no bar

    def advance(self, share: float) -> None:
        """Move within an episode."""
        self.progress.update(self._line, completed=self._done + share)

    def end(self, frames: int, left_out: int) -> None:
        """Count an episode."""
        self.frames += frames
        self.left_out += left_out
        self._step()

    def fail(self, index: int, message: str) -> None:
        """Name a bad episode above the line."""
        self.progress.console.print(f'episode {index}: {message}', markup=False, soft_wrap=True)
        if self._line is not None:  # else an earlier run found it
            self._step()

    def close(self) -> None:
        """Leave the line as it is."""
        if self._line is not None:
            self.progress.stop()

    def _step(self) -> None:
        self._done += 1
        rate = self.frames / max(1e-3, time.monotonic() - self._begun)
        self.progress.update(
            self._line, completed=self._done, episodes=self._done, frames=self.frames, rate=rate)
