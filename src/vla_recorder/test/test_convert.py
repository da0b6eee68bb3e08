"""Laws of converting a data set, on a made-up format."""

from collections.abc import Mapping
from dataclasses import replace
import errno
import fcntl
import os
from pathlib import Path
from types import MappingProxyType

import fake_codec
from made_up_episodes import assert_equal, make_episode, make_multirate_episode
import numpy as np
import pytest
from vla_core.episode import Episode, Stream
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_core.spec import load_robot
from vla_recorder import formats
from vla_recorder.checksums import verify
from vla_recorder.convert import place as convert_place
from vla_recorder.convert.conversion import Conversion, convert, Converted
from vla_recorder.convert.journal import JOURNAL
from vla_recorder.convert.progress import frames_of, watched
from vla_recorder.formats import Format, WriteOptions


class Listener:
    """A watcher that remembers what it heard."""

    def __init__(self, kill_after: int | None = None) -> None:
        self.began, self.frames, self.bad, self.kill_after = None, [], {}, kill_after
        self.left_out = 0

    def begin(self, total: int, done: int) -> None:
        self.began = (total, done)

    def advance(self, share: float) -> None:
        assert 0.0 <= share <= 1.0

    def end(self, frames: int, left_out: int) -> None:
        self.left_out += left_out
        self.frames.append(frames)
        if len(self.frames) == self.kill_after:
            raise KeyboardInterrupt

    def fail(self, index: int, message: str) -> None:
        self.bad[index] = message


@pytest.fixture(autouse=True)
def made_up_format(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {'fake': Format('fake', 'for tests', 'fake_codec')}
    monkeypatch.setattr(formats, 'FORMATS', MappingProxyType(known))
    monkeypatch.setattr(formats, '_ALL', tuple(known.values()))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return fill(tmp_path / 'source', [make_episode(seed=k) for k in range(5)])


def fill(folder: Path, episodes: list[Episode]) -> Path:
    writer = fake_codec.Writer(folder, WriteOptions())
    for episode in episodes:
        writer.write(episode)
    return folder


def run(source: Path, listener: Listener | None = None, **options: object) -> Converted:
    plan = Conversion(source, source.parent / 'out', 'fake', **options)
    return convert(plan, listener or Listener())


def read(folder: Path) -> list[Episode]:
    reader = fake_codec.open_reader(folder)
    return [reader.read(k) for k in range(len(reader))]


def tree(folder: Path) -> Mapping[str, tuple[bytes, int]]:
    """Return the content and the time of every file, hidden ones too."""
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns)
            for p in folder.rglob('*') if p.is_file()}


def bytes_of(folder: Path) -> Mapping[str, bytes]:
    return {name: content for name, (content, _) in tree(folder).items()}


def test_every_episode_arrives_in_order_and_signed(source: Path) -> None:
    listener = Listener()
    done = run(source, listener)
    assert done == Converted('fake', 5, {}, True, True)
    assert listener.began == (5, 0) and listener.frames == [4] * 5
    for got, wanted in zip(read(source.parent / 'out'), read(source), strict=True):
        assert_equal(got, wanted)
    assert verify(source.parent / 'out') == []
    assert {p.name for p in source.parent.iterdir()} == {'source', 'out'}


def test_converting_again_changes_nothing(source: Path) -> None:
    first = run(source)
    before = tree(source.parent)
    assert run(source) == replace(first, changed=False)
    assert tree(source.parent) == before


@pytest.mark.parametrize('after', [1, 4, 5])
def test_what_was_stopped_goes_on_and_ends_the_same(source: Path, after: int) -> None:
    run(source)
    whole = bytes_of(source.parent / 'out')
    (source.parent / 'out').rename(source.parent / 'whole')
    with pytest.raises(KeyboardInterrupt):
        run(source, Listener(kill_after=after))
    assert not (source.parent / 'out').exists()
    listener = Listener()
    run(source, listener)
    assert listener.began == (5, after) and len(listener.frames) == 5 - after
    assert bytes_of(source.parent / 'out') == whole


def test_what_was_stopped_in_another_state_begins_anew(source: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(source, Listener(kill_after=2))
    listener = Listener()
    run(source, listener, first=1, stop=3)
    assert listener.began == (2, 0)
    assert [e.seed for e in read(source.parent / 'out')] == [1, 2]


@pytest.mark.parametrize(('wanted', 'seeds'), [
    ((0, 2), [0, 1]), ((3, None), [3, 4]), ((4, 99), [4])])
def test_only_the_episodes_asked_for_are_converted(
    source: Path, wanted: tuple[int, int | None], seeds: list[int]
) -> None:
    run(source, first=wanted[0], stop=wanted[1])
    assert [e.seed for e in read(source.parent / 'out')] == seeds


def spoil(source: Path) -> None:
    (source / '0001.fake').write_text('')
    header = (source / '0003.fake').read_text()
    (source / '0003.fake').write_text(header.replace('"dagger"', '"unwritable": true, "dagger"'))


def test_bad_episodes_are_named_and_the_others_are_safe(source: Path) -> None:
    spoil(source)
    listener = Listener()
    done = run(source, listener)
    assert not done.finished and done.episodes == 3
    assert done.bad == listener.bad and set(done.bad) == {1, 3}
    assert '0001.fake' in listener.bad[1] and 'e3' in listener.bad[3]
    assert not (source.parent / 'out').exists()
    again = Listener()
    assert run(source, again) == done
    assert again.frames == [] and again.bad == listener.bad


def test_bad_episodes_are_skipped_on_demand(source: Path) -> None:
    spoil(source)
    run(source)
    listener = Listener()
    done = run(source, listener, skip_bad=True)
    assert done.finished and listener.frames == []  # the good ones had been kept
    assert [e.seed for e in read(source.parent / 'out')] == [0, 2, 4]
    before = tree(source.parent)
    assert run(source) == replace(done, changed=False)
    assert tree(source.parent) == before


def test_without_a_good_episode_nothing_is_left(source: Path) -> None:
    for file in source.glob('*.fake'):
        file.write_text('')
    with pytest.raises(InvalidDataError, match='no episode that can be read among 5'):
        run(source, skip_bad=True)
    assert [p.name for p in source.parent.iterdir()] == ['source']


def test_something_else_at_the_destination_is_not_touched(source: Path) -> None:
    for make in (lambda p: p.write_text('mine'), lambda p: fill(p, [make_episode()])):
        make(source.parent / 'out')
        before = tree(source.parent)
        with pytest.raises(InvalidDataError, match='no conversion of'):
            run(source)
        assert tree(source.parent) == before
        (source.parent / 'out').is_file() and (source.parent / 'out').unlink()


def test_another_conversion_at_the_destination_is_not_touched(source: Path) -> None:
    run(source)
    before = tree(source.parent)
    with pytest.raises(InvalidDataError, match="differs in fps \\('None' instead of '10'\\)"):
        run(source, options=WriteOptions(fps=10))
    assert tree(source.parent) == before
    fill(source, [make_episode(seed=9)])
    with pytest.raises(InvalidDataError, match='differs in state of the source'):
        run(source)


def test_an_empty_folder_may_become_the_destination(source: Path) -> None:
    (source.parent / 'out').mkdir()
    assert run(source).finished


def test_strange_files_where_the_work_is_done_are_not_touched(source: Path) -> None:
    partial = source.parent / '.out.partial'
    partial.mkdir()
    (partial / 'thesis.txt').write_text('mine')
    with pytest.raises(InvalidDataError, match='files of something else'):
        run(source)
    assert (partial / 'thesis.txt').read_text() == 'mine'


@pytest.mark.parametrize('place', ['source', 'source/inside', '.'])
def test_source_and_destination_never_contain_each_other(source: Path, place: str) -> None:
    plan = Conversion(source, source.parent / place, 'fake')
    with pytest.raises(InvalidDataError, match='neither in nor around'):
        convert(plan, Listener())


def test_a_missing_source_and_an_unknown_format_are_named(source: Path) -> None:
    with pytest.raises(InvalidDataError, match='allowed an existing file'):
        run(source / 'nothing')
    with pytest.raises(UnknownNameError, match="'fkae'.*did you mean 'fake'"):
        convert(Conversion(source, source.parent / 'out', 'fkae'), Listener())


def test_two_conversions_into_one_place_are_refused(source: Path) -> None:
    partial = source.parent / '.out.partial'
    partial.mkdir()
    with open(partial / '.lock', 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InvalidDataError, match='a second conversion'):
            run(source)
    assert run(source).finished


def test_a_full_disk_is_refused_before_and_during(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = iter([2e9, 2e9, 2e9, 2e9, 1e8])
    monkeypatch.setattr(convert_place, 'free_bytes', lambda place: next(room))
    with pytest.raises(InvalidDataError, match=r'0\.10 GB left on the disk, allowed 1 GB'):
        run(source)
    assert not (source.parent / 'out').exists()
    monkeypatch.setattr(convert_place, 'free_bytes', lambda place: 0)
    with pytest.raises(InvalidDataError, match='left on the disk'):
        run(source)


def test_a_disk_that_fails_stops_and_keeps_what_is_done(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = fake_codec.Writer.write

    def failing(self: fake_codec.Writer, episode: Episode) -> None:
        if episode.seed == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, episode)

    monkeypatch.setattr(fake_codec.Writer, 'write', failing)
    with pytest.raises(InvalidDataError, match='No space left on device; what is converted'):
        run(source)
    monkeypatch.setattr(fake_codec.Writer, 'write', write)
    listener = Listener()
    run(source, listener)
    assert listener.began == (5, 3)


def test_a_place_that_cannot_be_written_is_named(source: Path) -> None:
    (source.parent / 'file').write_text('')
    with pytest.raises(InvalidDataError, match=r'Not a directory \(.*file.*\); what'):
        convert(Conversion(source, source.parent / 'file' / 'out', 'fake'), Listener())


def test_values_that_cannot_be_read_are_the_episodes_fault(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = fake_codec.Writer.write

    def failing(self: fake_codec.Writer, episode: Episode) -> None:
        if episode.seed == 3:
            raise OSError("Can't read data (inflate() failed)")  # as HDF5 says it
        write(self, episode)

    monkeypatch.setattr(fake_codec.Writer, 'write', failing)
    assert set(run(source).bad) == {3}


def test_the_robot_is_that_of_the_episodes_if_it_is_shipped(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = []
    open_writer = fake_codec.open_writer
    monkeypatch.setattr(fake_codec, 'open_writer', lambda path, given: (
        options.append(given) or open_writer(path, given)))
    convert(Conversion(source, source.parent / 'a', 'fake'), Listener())
    ur5e = WriteOptions(robot=load_robot('ur5e'))
    convert(Conversion(source, source.parent / 'b', 'fake', ur5e), Listener())
    strange = fill(source.parent / 'strange', [replace(make_episode(), robot='home_made')])
    convert(Conversion(strange, source.parent / 'c', 'fake'), Listener())
    assert [o.robot and o.robot.name for o in options] == ['panda', 'ur5e', None]


def test_a_spoilt_journal_is_named(source: Path) -> None:
    run(source)
    (source.parent / 'out' / JOURNAL).write_text('{')
    with pytest.raises(InvalidDataError, match='not the journal of a conversion'):
        run(source)


def test_reading_lazy_pictures_tells_how_far_the_writer_is(tmp_path: Path) -> None:
    h5py = pytest.importorskip('h5py')
    episode = make_episode(steps=8)
    shares = []
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        name = 'observation/images/wrist'
        file['x'] = episode.streams[name].values
        lazy = Stream(episode.streams[name].stamps_ns, file['x'])
        seen = watched(replace(episode, streams={**episode.streams, name: lazy}), shares.append)
        values = seen.streams[name].values
        np.testing.assert_array_equal(values[0:4], lazy.values[0:4])
        values[4:99]
    assert shares == [0.5, 1.0]


def test_frames_are_those_of_the_format() -> None:
    episode = make_multirate_episode()
    options = WriteOptions(robot=load_robot('panda'))
    assert frames_of(episode, 'hdf5', options) == (15, 0)
    kept, left_out = frames_of(episode, 'lerobot', options)
    assert kept + left_out == 15 and left_out < 3
    pictures = {n: s for n, s in episode.streams.items() if 'images' in n}
    assert frames_of(replace(episode, streams=pictures), 'mcap', options) == (30, 0)
    assert frames_of(replace(episode, streams={}), 'mcap', options) == (0, 0)
