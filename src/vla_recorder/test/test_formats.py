"""One recording in every format, read back: what each of them keeps, and finding them by look."""

from pathlib import Path

from made_up_episodes import assert_equal, assert_kept, make_episode, make_multirate_episode
import pytest
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_recorder.formats import (
    create_dataset,
    detect,
    find_format,
    FORMATS,
    open_dataset,
    WriteOptions,
)

WHOLE = ('hdf5', 'mcap')  # every stream as it was recorded
FRAMES = ('lerobot', 'rlds', 'aloha')  # one table: pictures that no instant asks for are left out
CODEC_ERROR = {'lerobot': (2.5, 20)}  # of H.264: mean and greatest difference, of 255


def write(folder: Path, name: str, count: int = 3) -> Path:
    writer = create_dataset(folder, name, WriteOptions())
    for seed in range(count):
        writer.write(make_multirate_episode(seed=seed))
    writer.close()
    return folder


@pytest.fixture(scope='module', params=[*WHOLE, *FRAMES])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
            ) -> tuple[str, Path]:
    return request.param, write(tmp_path_factory.mktemp(request.param) / 'set', request.param)


def test_one_recording_comes_back_from_every_format(written: tuple[str, Path]) -> None:
    name, folder = written
    reader = open_dataset(folder)
    assert len(reader) == 3
    for seed in (1, 0, 2):
        got, wanted = reader.read(seed), make_multirate_episode(seed=seed)
        if name in WHOLE:
            assert_equal(got, wanted)
        else:
            assert_kept(got, wanted, CODEC_ERROR.get(name, (0.0, 0)))
    reader.close()


def test_a_data_set_is_known_by_its_look(written: tuple[str, Path]) -> None:
    name, folder = written
    assert detect(folder).name == name


@pytest.mark.parametrize('name', FORMATS)
def test_no_format_takes_anything_for_its_own(name: str, tmp_path: Path) -> None:
    holds = FORMATS[name].load().holds
    (tmp_path / 'text.txt').write_text('no data set')
    (tmp_path / 'empty').mkdir()
    for path in (tmp_path, tmp_path / 'text.txt', tmp_path / 'empty'):
        assert not holds(path)


def test_a_data_set_grows_where_it_was_left(written: tuple[str, Path], tmp_path: Path) -> None:
    name, _ = written
    for seed in range(2):
        writer = create_dataset(tmp_path / 'set', name, WriteOptions())
        writer.write(make_episode(seed=seed))
        writer.close()
    reader = open_dataset(tmp_path / 'set')
    assert [reader.read(k).seed for k in range(len(reader))] == [0, 1]
    reader.close()


def test_what_no_format_holds_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match='allowed an existing file'):
        detect(tmp_path / 'nothing')
    with pytest.raises(InvalidDataError, match='not a data set of any known format; allowed lero'):
        detect(tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean 'lerobot'"):
        find_format('lerobt')
