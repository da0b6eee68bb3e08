"""Laws of the checksums of a data set."""

from pathlib import Path
import shutil
import subprocess

import pytest
from vla_core.errors import InvalidDataError
from vla_recorder import checksums
from vla_recorder.checksums import MANIFEST, verify, write_manifest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ('a.h5', 'meta/info.json', 'videos/Größe x/0.mp4', '.hidden/x', 'b/.y'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def test_what_was_written_verifies(root: Path) -> None:
    assert write_manifest(root) == 3
    assert verify(root) == []


@pytest.mark.skipif(not shutil.which('sha256sum'), reason='no sha256sum here')
def test_sha256sum_reads_the_manifest(root: Path) -> None:
    write_manifest(root)
    done = subprocess.run(['sha256sum', '-c', '--strict', MANIFEST], cwd=root, check=False,
                          stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 and done.stdout.count(': OK') == 3


def test_every_change_is_named(root: Path) -> None:
    write_manifest(root)
    (root / 'a.h5').write_text('other')
    (root / 'meta/info.json').unlink()
    (root / 'new').write_text('new')
    assert verify(root) == [
        f'{root}/a.h5: changed since its checksum was taken',
        f'{root}/meta/info.json: missing', f'{root}/new: not in {MANIFEST}']
    write_manifest(root)
    assert verify(root) == []


def pass_a_tick(root: Path) -> None:
    """Return when the clock of the file system has moved on."""
    probe = root / '.probe'
    probe.write_text('')
    first = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == first:
        probe.write_text('')


def test_only_what_was_written_since_is_read(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pass_a_tick(root)
    write_manifest(root)
    read = []
    monkeypatch.setattr(checksums, '_sum', lambda path: read.append(path.name) or '0' * 64)
    (root / '.moved').write_text('older than the manifest when it gets its name')
    write_manifest(root)
    (root / '.moved').rename(root / 'a.h5')
    write_manifest(root)
    assert read == ['a.h5']


def test_rot_is_found_and_not_signed_anew(root: Path) -> None:
    write_manifest(root)
    path = root / MANIFEST
    path.write_text(path.read_text().replace(path.read_text()[:8], '00000000', 1))
    write_manifest(root)
    assert len(verify(root)) == 1


def test_a_spoilt_or_missing_manifest_is_a_problem(root: Path) -> None:
    assert verify(root) == [f'{root / MANIFEST}: missing']
    (root / MANIFEST).write_bytes(b'\xff\xfe not a sum\n' + b'0' * 64 + b'  ../../outside\n')
    problems = verify(root)
    assert problems[0].endswith(f'{MANIFEST}:1: not a line of a checksum and a name')
    assert f'{root}/../../outside: missing' in problems  # never opened


def test_a_name_no_line_can_hold_is_refused(root: Path) -> None:
    (root / 'a\nb').write_text('')
    with pytest.raises(InvalidDataError, match='without line break'):
        write_manifest(root)
