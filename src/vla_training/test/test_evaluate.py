"""Episodes over processes come back in order, whatever the number of processes."""

from contextlib import closing
from functools import partial
import math
import multiprocessing
from pathlib import Path
import signal

from hypothesis import given
from hypothesis import strategies as st
import pytest
from training_fakes import SPEC, start_toy
from vla_training.dagger import Recipe, run_recipe
from vla_training.evaluate import in_order, run_episodes, success_rate
from vla_training.statistics import wilson_interval

JOBS = [(task, seed) for seed in range(5) for task in ('lift', 'press')]


def test_number_of_workers_does_not_change_the_results() -> None:
    one, two = (in_order(run_episodes(JOBS, start_toy, workers)) for workers in (1, 2))
    assert one == two
    assert [(row['task'], row['seed']) for row in one] == JOBS
    assert success_rate(one) == 0.5


def test_who_stops_reading_leaves_no_process_and_waits_for_none(tmp_path: Path) -> None:
    before = multiprocessing.active_children()
    jobs, late = [('lift', 0), ('stuck', 0)], tmp_path / 'late'
    with closing(run_episodes(jobs, partial(start_toy, late), 2)) as results:
        index, _ = next(results)
    assert index == 0
    assert multiprocessing.active_children() == before
    assert not late.exists()


def test_ctrl_c_is_left_to_the_parent() -> None:
    before = signal.getsignal(signal.SIGINT)
    row, = in_order(run_episodes([('lift', 0)], start_toy, 1))
    assert row['deaf']
    assert signal.getsignal(signal.SIGINT) is before


@given(st.integers(0, 300), st.integers(1, 300))
def test_interval_holds_the_rate_and_stays_in_bounds(successes: int, trials: int) -> None:
    successes = min(successes, trials)
    low, high = wilson_interval(successes, trials)
    assert 0.0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1.0


def test_interval_of_wilsons_formula() -> None:
    low, high = wilson_interval(95, 100)
    assert math.isclose(low, 0.8882, abs_tol=1e-4)
    assert math.isclose(high, 0.9785, abs_tol=1e-4)


def test_recipe_lets_the_last_learner_drive_and_keeps_all_data(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drives, stages = [], []

    def fake_stage(folders, boost, out, options, spec, init, report):
        stages.append(([f.name for f in folders], out.name, init, options.minutes))
        return [out / 'early', out / 'late']

    monkeypatch.setattr('vla_training.dagger.train_stage', fake_stage)
    run_recipe(
        Recipe(rounds=2), tmp_path, SPEC, lambda *job: drives.append(job), lambda f, line: None)
    assert [(learner, out.name) for learner, out, _, _ in drives] == [
        (None, 'demonstrations'), (tmp_path / 'base' / 'late', 'dagger_1'),
        (tmp_path / 'round_1' / 'late', 'dagger_2')]
    assert [stage[0] for stage in stages] == [
        ['demonstrations'], ['demonstrations', 'dagger_1'],
        ['demonstrations', 'dagger_1', 'dagger_2']]
    assert stages[1][2] == tmp_path / 'base' / 'late'
    assert len({seed for _, _, _, seed in drives}) == 3
