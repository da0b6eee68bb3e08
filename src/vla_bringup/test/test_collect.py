"""Collection: randomised tables are the same bits whatever ran before, and on any core."""

from functools import partial
import hashlib
import json
from pathlib import Path

import pytest
from vla_bringup.commands.collect import _start, CollectOptions, main
from vla_core.errors import InvalidDataError, UnknownNameError
from vla_recorder.hdf5.codec import read_episode
from vla_sim.randomisation import Randomisation
from vla_training.evaluate import in_order, run_episodes

JOBS = [('turn_on_led', 7000), ('turn_off_led', 7001)]


def options(folder: Path) -> CollectOptions:
    return CollectOptions(out=folder, scene='table_a', randomise=True, robot='panda')


def digests(folder: Path) -> dict[str, str]:
    """Return a digest of every stream and of the header of each episode."""
    found = {}
    for path in sorted(folder.glob('*.h5')):
        episode = read_episode(path)
        digest = hashlib.sha256(repr((episode.success, episode.instruction, sorted(
            episode.meta.items()))).encode())
        for name, stream in sorted(episode.streams.items()):
            digest.update(name.encode() + stream.values.tobytes())
        found[path.name] = digest.hexdigest()
    return found


def test_randomised_episodes_are_the_same_bits_after_others_and_on_one_or_two_workers(
    tmp_path: Path,
) -> None:
    one, two, backwards = (tmp_path / name for name in ('one', 'two', 'backwards'))
    outcomes = [in_order(run_episodes(JOBS, partial(_start, options(folder)), count))
                for count, folder in enumerate((one, two), start=1)]
    assert outcomes[0] == outcomes[1]
    record = _start(options(backwards))
    for job in JOBS[::-1]:
        record(*job)
    assert len(digests(one)) >= len(JOBS)
    assert digests(one) == digests(two) == digests(backwards)


def test_the_drawn_values_are_kept_with_the_episode(tmp_path: Path) -> None:
    _start(options(tmp_path))('turn_on_led', 7003)
    meta = read_episode(tmp_path / 'turn_on_led-7003.h5').meta
    drawn = Randomisation().draw(7003)
    kept = json.loads(meta['variation'])
    assert meta['scene'] == 'table_a'
    assert (kept['mass'], kept['delay_steps']) == (drawn.mass, drawn.delay_steps)
    assert kept['textures'] == drawn.textures


def test_a_task_of_another_scene_names_the_allowed(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match='press_button'):
        main(CollectOptions(out=tmp_path, tasks=('turn_on_led',)))


def test_questions_are_kept_with_the_episode(tmp_path: Path) -> None:
    main(CollectOptions(
        out=tmp_path, episodes=1, tasks=('press_button',), seed=7100, workers=1, questions=5))
    episode = read_episode(next(tmp_path.glob('press_button-*.h5')))
    stamps = set(episode.streams['observation/images/static'].stamps_ns.tolist())
    assert 1 <= len(episode.questions) <= 5
    assert all(question.stamp_ns in stamps for question in episode.questions)
    with pytest.raises(InvalidDataError, match='--questions'):
        main(CollectOptions(out=tmp_path, questions=-1))
