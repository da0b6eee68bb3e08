"""Hold a blind session at a real arm, and tell what came of it once it is over."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from vla_bringup.blind import BlindSession, Outcome, pair_trials, Trial, TrialRow
from vla_bringup.comparison_report import ComparisonReport
from vla_bringup.hidden_run import fill, run_hidden
from vla_bringup.trial_form import ask, Operator
from vla_core.errors import InvalidDataError
from vla_training.comparison import compare

_START = 'Set the scene, then press a key to start (q quits).'


def hold(session: BlindSession, operator: Operator, now: Callable[[], str]) -> bool:
    """Do the trials that are left; False when the operator quits before the last.

    `now` returns the time of day (UTC, ISO 8601). Raises InvalidDataError for a session whose
    order was told.
    """
    if session.unblinded:
        raise InvalidDataError(
            f'--real {session.folder}: the order was told already, allowed a new folder, or '
            '--unblind to be told again')
    while (trial := session.next_trial()) is not None:
        operator.tell(f'\ntrial {trial.number} of {session.trials} (scene {trial.scene}): '
                      f'{session.plan.instruction}')
        if not _drive(session, trial, operator, now):
            return False
    return True


def _drive(
    session: BlindSession, trial: Trial, operator: Operator, now: Callable[[], str]
) -> bool:
    """Do one trial; False when the operator quits."""
    code = None
    if not session.plan.run:
        (session.folder / 'driver.txt').write_text(session.policy(trial) + '\n')
    else:
        operator.tell(_START)
        if operator.key().lower() == 'q':
            return False
        code = _run(session, trial, operator)
    answer = ask(operator)
    if answer is not None:
        session.keep(TrialRow(
            trial.number, trial.scene, answer.outcome, answer.interventions, answer.note, code,
            now()))
    return answer is not None


def _run(session: BlindSession, trial: Trial, operator: Operator) -> int:
    operator.tell('The policy drives; any key ends it.')
    command = fill(session.plan.run, session.policy(trial), session.plan.instruction)
    code = run_hidden(command, session.folder / 'logs' / f'trial_{trial.number:03d}.log', operator)
    operator.tell('The policy has ended.' if code <= 0 else
                  f'The command ended with code {code}; press r if that spoiled the trial.')
    return code


def session_report(session: BlindSession, command: str) -> ComparisonReport:
    """Tell who drove, and compare success without help, with it, and interventions."""
    sides = session.unblind()
    plan = session.plan
    rows = {
        'success without help': pair_trials(sides, plan.instruction, _alone),
        'success, help allowed': pair_trials(sides, plan.instruction, _succeeded),
        'intervention': pair_trials(sides, plan.instruction, _helped)}
    return ComparisonReport(
        plan.a, plan.b, f'real arm, blind: {plan.instruction}', {},
        {name: compare(paired, less_is_better=name == 'intervention')
         for name, paired in rows.items()},
        command, {
            'instruction': plan.instruction, 'trials_planned': plan.episodes,
            **{f'interventions_{side}': _interventions(sides[side]) for side in sides},
            **{f'redone_{side}': sum(row.outcome is Outcome.REDO for row in sides[side])
               for side in sides},
            'trials': _told(sides)})


def _alone(row: TrialRow) -> bool:
    return _succeeded(row) and not _helped(row)


def _succeeded(row: TrialRow) -> bool:
    return row.outcome is Outcome.SUCCESS


def _helped(row: TrialRow) -> bool:
    return row.interventions > 0


def _interventions(rows: Sequence[TrialRow]) -> int:
    return sum(row.interventions for row in rows)


def _told(sides: Mapping[str, Sequence[TrialRow]]) -> list[dict]:
    rows = [{'side': side, **asdict(row)} for side in sides for row in sides[side]]
    return sorted(rows, key=lambda row: row['trial'])
