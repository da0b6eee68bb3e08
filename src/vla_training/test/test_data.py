"""Frames keep what episodes say, and chunks never cross the end of an episode."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from training_fakes import dot_episode, SPEC, write_episodes
from vla_core.episode import ACTION, IMAGE_PREFIX, PROGRESS, Stream
from vla_core.errors import InvalidDataError
from vla_recorder.formats import create_dataset, WriteOptions
from vla_recorder.hdf5.codec import Hdf5Writer
from vla_training.data import AUXILIARY_DIM, build, check_source, Frames, LANDMARKS, open_frames


@pytest.fixture(scope='module')
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """Return four episodes of six frames."""
    root = tmp_path_factory.mktemp('frames')
    write_episodes(root / 'episodes', 4)
    return build([root / 'episodes'], root / 'arrays')


def test_frames_are_the_episodes_one_after_another(frames: Frames) -> None:
    assert len(frames) == 24
    for number in range(4):
        episode, rows = dot_episode(number), slice(6 * number, 6 * number + 6)
        for camera in ('static', 'wrist'):
            np.testing.assert_array_equal(
                frames.images[camera][rows], episode.streams[IMAGE_PREFIX + camera].values)
        np.testing.assert_array_equal(frames.action[rows], episode.streams[ACTION].values)
        assert frames.sentences[number] == episode.instruction


def test_other_formats_give_the_same_frames(tmp_path: Path, frames: Frames) -> None:
    writer = create_dataset(tmp_path / 'lerobot', 'lerobot', WriteOptions(robot=SPEC, fps=12))
    for number in range(4):
        writer.write(dot_episode(number))
    writer.close()
    built = build([tmp_path / 'lerobot'], tmp_path / 'arrays')
    for name in ('state', 'action', 'progress', 'auxiliary', 'episode', 'end', 'weight'):
        np.testing.assert_array_equal(getattr(built, name), getattr(frames, name), name)
    assert built.sentences == frames.sentences
    for camera, pixels in built.images.items():
        assert np.abs(pixels.astype(int) - frames.images[camera]).mean() < 3.0
    check_source(tmp_path / 'arrays', [tmp_path / 'lerobot'])
    with pytest.raises(InvalidDataError, match='built from other episodes'):
        check_source(tmp_path / 'arrays', [tmp_path / 'lerobot'], {tmp_path / 'lerobot': 2.0})


def test_what_cannot_be_trained_on_says_what_it_lacks(tmp_path: Path) -> None:
    episode = dot_episode(0)
    streams = {name: s for name, s in episode.streams.items() if name != PROGRESS}
    Hdf5Writer(tmp_path / 'a').write(replace(episode, streams=streams))
    with pytest.raises(InvalidDataError, match="got no stream 'progress'"):
        build([tmp_path / 'a'], tmp_path / 'arrays')


def test_a_persons_episode_tells_its_progress_by_its_time_and_teaches_only_success(
    tmp_path: Path,
) -> None:
    writer = Hdf5Writer(tmp_path / 'a')
    for number in range(2):
        episode = dot_episode(number)
        told = episode.streams[PROGRESS]
        unknown = Stream(told.stamps_ns, np.full(len(told), np.nan, np.float32))
        writer.write(replace(
            episode, streams={**episode.streams, PROGRESS: unknown}, success=number == 0))
    built = build([tmp_path / 'a'], tmp_path / 'arrays')
    np.testing.assert_allclose(built.progress, np.linspace(0, 1, 6), atol=1e-6)
    check_source(tmp_path / 'arrays', [tmp_path / 'a'])


def test_chunks_rest_after_the_end_of_their_episode(frames: Frames) -> None:
    actions, real = frames.chunks(np.array([0, 4, 5]), 4)
    assert real.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]
    assert (actions[1, 2:, :6] == 0).all()
    assert (actions[1, 2:, 6] == frames.action[5, 6]).all()
    np.testing.assert_array_equal(actions[0], frames.action[:4])


def test_named_thing_is_told_relative_to_the_tool(frames: Frames) -> None:
    assert frames.auxiliary.shape == (24, AUXILIARY_DIM)
    red = frames.auxiliary[0, :3]
    offset = frames.auxiliary[0, -3:]  # episode 0 is about red; the tool is at x 0.5, z 0.3
    np.testing.assert_allclose(offset, red - [0, 0, 3.0], atol=1e-5)


def test_fallen_things_are_unknown_and_renamed_things_are_refused(tmp_path: Path) -> None:
    episode = dot_episode(0)
    fallen = np.tile([0.5, 0, -9.0, 0, 0, 0, 1], (6, 1))
    bowl = Stream(episode.streams[ACTION].stamps_ns, fallen)
    streams = {**episode.streams, 'sim/objects/bowl': bowl}
    Hdf5Writer(tmp_path / 'fallen').write(replace(episode, streams=streams))
    frames = build([tmp_path / 'fallen'], tmp_path / 'arrays')
    assert np.isnan(frames.auxiliary[:, 3 * LANDMARKS.index('bowl') + 2]).all()
    del streams['sim/objects/bowl']
    Hdf5Writer(tmp_path / 'renamed').write(replace(episode, streams=streams))
    with pytest.raises(InvalidDataError, match='got no place of bowl'):
        build([tmp_path / 'renamed'], tmp_path / 'arrays')
    table = replace(episode, streams=streams, meta={'scene': 'table_d'})
    Hdf5Writer(tmp_path / 'table').write(table)
    frames = build([tmp_path / 'table'], tmp_path / 'arrays')
    lacking = np.isnan(frames.auxiliary).all(axis=0).reshape(-1, 3).all(axis=1)
    assert [name for name, lacks in zip(LANDMARKS, lacking, strict=False) if lacks] == ['bowl']


def test_simulator_knows_every_landmark() -> None:
    source = Path(__file__).parents[2] / 'vla_sim' / 'vla_sim' / 'scenes' / 'bowl.py'
    assert all(f"'{name}'" in source.read_text() for name in LANDMARKS)


def test_tasks_are_drawn_by_the_root_of_their_share(tmp_path: Path) -> None:
    write_episodes(tmp_path / 'a', 2, steps=4)
    long = tmp_path / 'b'
    write_episodes(long, 1, steps=12)  # red has 16 frames in all, blue 4
    frames = build([tmp_path / 'a', long], tmp_path / 'arrays')
    share = {s: frames.weight[[frames.sentences[e] == s for e in frames.episode]].sum()
             for s in set(frames.sentences)}
    assert share['lift the red block'] == pytest.approx(2 * share['lift the blue block'])


def test_boost_draws_a_folder_more_often(tmp_path: Path) -> None:
    write_episodes(tmp_path / 'a', 1)
    write_episodes(tmp_path / 'b', 1)
    frames = build(
        [tmp_path / 'a', tmp_path / 'b'], tmp_path / 'arrays', boost={tmp_path / 'b': 3.0})
    assert frames.weight[6:].sum() == pytest.approx(3 * frames.weight[:6].sum())


def test_no_episodes_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match='not a data set'):
        build([tmp_path], tmp_path / 'arrays')
    with pytest.raises(InvalidDataError, match='allowed a folder written by build'):
        open_frames(tmp_path)


def test_same_instruction_may_be_built_again(tmp_path: Path) -> None:
    write_episodes(tmp_path / 'a', 1)
    for _ in range(2):
        frames = build([tmp_path / 'a'], tmp_path / 'arrays')
    assert len(frames) == 6
