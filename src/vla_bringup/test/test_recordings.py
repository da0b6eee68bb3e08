"""What is told of a recorded data set: counts, time, and how often a person had to help."""

from pathlib import Path

import numpy as np
import pytest
from vla_bringup.recordings import count_kept, recordings, summary
from vla_core.episode import ACTION, ACTION_PROPOSED, Episode, Intervention, Stream
from vla_core.types import Mode
from vla_recorder.formats import create_dataset, WriteOptions
from vla_recorder.recording.acted import CONTROL_MODE

STEP_NS = 100_000_000


def episode(name: str, modes: list[int], success: bool | None, *, policy: bool = True,
            complete: bool = True) -> Episode:
    stamps = np.arange(len(modes)) * STEP_NS
    proposed = np.full((len(modes), 7), 0.0 if policy else np.nan, np.float32)
    taken = [k for k, mode in enumerate(modes) if mode == int(Mode.TELEOP)]
    spans = (Intervention(taken[0] * STEP_NS, taken[-1] * STEP_NS, 'teleop'),) if taken else ()
    return Episode(name, 'panda', 'lift', 'lift it', {
        ACTION: Stream(stamps, np.zeros((len(modes), 7), np.float32)),
        ACTION_PROPOSED: Stream(stamps, proposed),
        CONTROL_MODE: Stream(stamps, np.array(modes, np.uint8))},
        success, interventions=spans, meta={'complete': complete})


def write(root: Path, *episodes: Episode, form: str = 'mcap') -> Path:
    writer = create_dataset(root, form, WriteOptions(fps=10))
    for one in episodes:
        writer.write(one)
    writer.close()
    return root


@pytest.mark.parametrize('form', ['mcap', 'hdf5'])
def test_help_is_counted_in_times_and_in_time(tmp_path: Path, form: str) -> None:
    root = write(tmp_path / 'd', episode('a', [1] * 5 + [2] * 6, True),
                 episode('b', [1] * 11, False), form=form)
    told = summary(recordings(root))
    assert (told['count'], told['successes'], told['judged']) == (2, 1, 2)
    help_ = told['interventions']
    assert (help_['count'], help_['episodes_with_intervention']) == (1, 1)
    assert help_['share_of_time'] == pytest.approx(0.5 / 2.0)
    assert help_['per_minute'] == pytest.approx(30.0)


def test_a_hold_in_between_parts_no_intervention(tmp_path: Path) -> None:
    root = write(tmp_path / 'd', episode('a', [1, 1, 2, 0, 2, 2, 0, 1, 2], True))
    assert recordings(root)[0].interventions == 2


def test_an_episode_without_a_policy_is_no_intervention(tmp_path: Path) -> None:
    root = write(tmp_path / 'd', episode('a', [2] * 5, None, policy=False))
    told = summary(recordings(root))
    assert told['interventions']['count'] == 0 and told['judged'] == 0
    assert told['episodes'][0]['teleop_s'] == pytest.approx(0.4)


def test_what_a_kill_left_incomplete_does_not_count(tmp_path: Path) -> None:
    root = write(tmp_path / 'd', episode('a', [1] * 5, True),
                 episode('b', [1] * 5, None, complete=False))
    assert count_kept(root) == 1


def test_nothing_is_there_before_the_first_episode(tmp_path: Path) -> None:
    assert count_kept(tmp_path / 'none') == 0
    create_dataset(tmp_path / 'begun', 'mcap', WriteOptions()).close()
    assert count_kept(tmp_path / 'begun') == 0
    create_dataset(tmp_path / 'also', 'lerobot', WriteOptions(fps=10)).close()
    assert count_kept(tmp_path / 'also') == 0
