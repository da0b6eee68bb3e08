"""`vla view`: a page an episode, safe against what an episode says of itself."""

from pathlib import Path
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from vla_bringup.cli import main
from vla_bringup.commands.view import choose
from vla_bringup.contact_sheet import contact_sheet
from vla_bringup.rerun_export import write_recording
from vla_core.episode import (
    ACTION,
    DEPTH_PREFIX,
    Episode,
    GRIPPER,
    IMAGE_PREFIX,
    Intervention,
    Question,
    Stream,
    SubtaskSpan,
    TOOL_POSE,
)
from vla_core.errors import InvalidDataError
from vla_recorder.hdf5.codec import Hdf5Writer, list_episodes

STEP_NS = 100_000_000
HOSTILE = '<script>alert("x")</script>\n../../'


def episode(number: int = 0, steps: int = 12, text: str = 'pick it up') -> Episode:
    stamps = 10**9 + STEP_NS * np.arange(steps)
    rng = np.random.default_rng(number)
    values = {
        ACTION: rng.normal(size=(steps, 7)).astype(np.float32),
        TOOL_POSE: np.tile([0.4, 0.0, 0.3, 0.0, 0.0, 0.0, 1.0], (steps, 1)),
        GRIPPER: rng.random(steps),
        'somebody/else': rng.normal(size=(steps, 3)),
        f'{IMAGE_PREFIX}static': rng.integers(0, 255, (steps, 30, 40, 3)).astype(np.uint8),
        f'{DEPTH_PREFIX}static': rng.random((steps, 30, 40)).astype(np.float32),
    }
    end = int(stamps[-1])
    return Episode(
        f'e{number}', 'panda', 'lift', text, {n: Stream(stamps, v) for n, v in values.items()},
        success=True, subtasks=(SubtaskSpan(10**9, 10**9 + 5 * STEP_NS, text),
                                SubtaskSpan(10**9 + 5 * STEP_NS, end, 'lift it')),
        interventions=(Intervention(10**9, 10**9 + STEP_NS, 'teleop'),),
        questions=(Question(10**9, 'static', 'how many?', text),), meta={'note': text})


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    writer = Hdf5Writer(tmp_path / 'data')
    for number in range(3):
        writer.write(episode(number, text=HOSTILE if number == 1 else 'pick it up'))
    return tmp_path / 'data'


def test_each_chosen_episode_has_a_page_with_its_pictures(data_set: Path, tmp_path: Path) -> None:
    out = tmp_path / 'pages'
    assert main(['view', str(data_set), '--out', str(out), '--episodes', '0', '2']) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        '000000.html', '000000.jpg', '000000.png', '000002.html', '000002.jpg', '000002.png',
        'index.html']
    index, page = ((out / name).read_text() for name in ('index.html', '000000.html'))
    assert 'href="000000.html"' in index
    assert 'src="000000.jpg"' in page
    assert 'src="000000.png"' in page
    assert 'somebody/else' in page
    assert cv2.imread(str(out / '000000.png')).std() > 5.0


def test_what_an_episode_says_of_itself_cannot_script_the_page(
    data_set: Path, tmp_path: Path,
) -> None:
    out = tmp_path / 'pages'
    assert main(['view', str(data_set), '--out', str(out)]) == 0
    for name in ('index.html', '000001.html'):
        assert '<script' not in (out / name).read_text()
        assert '&lt;script' in (out / name).read_text()


def test_an_episode_that_cannot_be_read_is_named_and_the_others_are_shown(
    data_set: Path, tmp_path: Path, capsys,
) -> None:
    broken = list_episodes(data_set)[1]
    broken.write_bytes(b'nothing')
    out = tmp_path / 'pages'
    assert main(['view', str(data_set), '--out', str(out)]) == 0
    assert str(broken) in capsys.readouterr().out
    assert str(broken) in (out / 'index.html').read_text()
    assert (out / '000002.html').exists()


def test_the_contact_sheet_has_a_row_for_each_camera_and_none_without() -> None:
    whole = episode()
    only = Episode(**{**vars(whole), 'streams': {
        name: s for name, s in whole.streams.items() if not name.startswith(DEPTH_PREFIX)}})
    none = Episode(**{**vars(whole), 'streams': {ACTION: whole.streams[ACTION]}})
    both, one = contact_sheet(whole, 4), contact_sheet(only, 4)
    assert both.shape[1] == one.shape[1] < contact_sheet(only, 6).shape[1]
    assert both.shape[0] > one.shape[0]
    assert contact_sheet(none) is None


@pytest.mark.parametrize('pieces, wanted', [
    ((':20',), [0, 1, 2, 3, 4]), ((':',), [0, 1, 2, 3, 4]), (('3',), [3]),
    (('1:3', '2:'), [1, 2, 3, 4]), (('4', '0'), [0, 4]), (('2:2',), []),
])
def test_numbers_and_spans_choose_episodes(pieces: tuple[str, ...], wanted: list[int]) -> None:
    assert choose(pieces, 5) == wanted


@pytest.mark.parametrize('piece', ['x', '', '-1', '1:2:3', '5'])
def test_another_choice_is_one_line(piece: str) -> None:
    with pytest.raises(InvalidDataError, match='--episodes: got'):
        choose((piece,), 5)


def test_without_rerun_one_line_says_what_to_do(
    data_set: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, 'rerun', None)
    assert main(['view', str(data_set), '--out', str(tmp_path / 'pages'), '--rerun']) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert 'rerun-sdk' in error
    assert 'mcap' in error


class FakeRerun(SimpleNamespace):
    """The little of the module that an export calls; keeps what was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.logged: list[str] = []

    def RecordingStream(self, application: str, recording_id: str) -> 'FakeRerun':  # noqa: N802
        self.opened = (application, recording_id)
        return self

    def save(self, path: str) -> None:
        self.path = path

    def set_time(self, timeline: str, duration: float) -> None:
        self.last_s = duration

    def log(self, name: str, what: object, static: bool = False) -> None:
        self.logged.append(name)

    def send_columns(self, name: str, indexes: object, columns: object) -> None:
        self.logged.append(name)

    def disconnect(self) -> None:
        self.closed = True

    def __getattr__(self, name: str) -> object:
        kind = SimpleNamespace(columns=lambda **values: values)
        made = SimpleNamespace(compress=lambda **options: None)

        def build(*values: object, **options: object) -> object:
            return made
        build.columns = kind.columns
        return build


def test_a_recording_holds_every_stream_and_every_picture() -> None:
    rerun, whole = FakeRerun(), episode()
    write_recording(Path('a.rrd'), whole, rerun)
    assert rerun.opened == ('vla', 'e0')
    assert rerun.closed
    assert set(whole.streams) <= set(rerun.logged)
    assert rerun.logged.count(f'{IMAGE_PREFIX}static') == 12
    assert rerun.last_s == pytest.approx(1.1)
