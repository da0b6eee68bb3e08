"""A blind session tells nobody who drives before it is over, and loses no trial."""

from collections.abc import Iterator
from dataclasses import replace
import json
import os
from pathlib import Path
import pty
import signal
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from vla_bringup.blind import (
    BlindSession,
    draw_order,
    open_session,
    Outcome,
    SessionPlan,
    TrialRow,
)
from vla_bringup.hidden_run import fill, run_hidden
from vla_bringup.real_session import hold, session_report
from vla_bringup.trial_form import Answer, ask, InputEndedError, terminal
from vla_core.errors import InvalidDataError
from vla_training.comparison import Verdict

PLAN = SessionPlan('good', 'bad', 'open the drawer', episodes=6)


class Typist:
    """An operator who presses the keys of a text and remembers what was shown."""

    def __init__(self, keys: str) -> None:
        self._keys: Iterator[str] = iter(keys)
        self.shown: list[str] = []

    def tell(self, text: str, end: str = '\n') -> None:
        self.shown.append(text)

    def key(self) -> str:
        key = next(self._keys, None)
        if key is None:
            raise InputEndedError
        return key

    def pressed(self, timeout_s: float) -> bool:
        return False


def _now() -> str:
    return '2026-01-01T00:00:00+00:00'


def _answers(session: BlindSession) -> str:
    """Return the keys of an operator in whose session the good policy wins unhelped."""
    return ''.join('s\n' if letter == 'a' else 'i2\n\n' for letter in session._order)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(0, 1000))
def test_order_is_balanced_in_every_scene_and_over_scenes(scenes: int, seed: int) -> None:
    order = draw_order(scenes, seed)
    blocks = [order[i:i + 2] for i in range(0, 2 * scenes, 2)]
    assert set(blocks) <= {'ab', 'ba'}
    assert abs(blocks.count('ab') - blocks.count('ba')) == scenes % 2
    assert order == draw_order(scenes, seed)


def test_seeds_draw_different_orders() -> None:
    assert len({draw_order(10, seed) for seed in range(20)}) > 15


@pytest.mark.parametrize(('keys', 'answer'), [
    ('s\n', Answer(Outcome.SUCCESS)),
    ('Sslow\n', Answer(Outcome.SUCCESS, 0, 'slow')),
    ('f\n\n', Answer(Outcome.FAILURE)),
    ('f3\ndropped it\n', Answer(Outcome.FAILURE, 3, 'dropped it')),
    ('i\n\n', Answer(Outcome.SUCCESS, 1)),
    ('i0\n2\n\n', Answer(Outcome.SUCCESS, 2)),  # no intervention is no help
    ('r\x7fcabel\x7f\x7fle\n', Answer(Outcome.REDO, 0, 'cable')),
    ('x?s\n', Answer(Outcome.SUCCESS)),
    ('q', None),
])
def test_form_takes_a_key_and_a_note(keys: str, answer: Answer | None) -> None:
    assert ask(Typist(keys)) == answer


def test_session_goes_on_after_a_cut_and_tells_at_the_end_only(tmp_path: Path) -> None:
    session = open_session(tmp_path / 's', PLAN, seed=3)
    operator = Typist(_answers(session)[:9])
    with pytest.raises(InputEndedError):
        hold(session, operator, _now)
    kept = (tmp_path / 's' / 'trials.jsonl').read_bytes()
    (tmp_path / 's' / 'trials.jsonl').write_bytes(kept + b'{"trial": 4, "sce')  # power cut
    again = open_session(tmp_path / 's', PLAN, seed=99)
    assert again.rows == session.rows and again._order == session._order
    assert again.next_trial().number == len(session.rows) + 1
    rest = Typist(''.join('s\n' if c == 'a' else 'i2\n\n'
                          for c in again._order[len(again.rows):]))
    assert hold(again, rest, _now)
    shown = '\n'.join(operator.shown + rest.shown)
    assert 'trial 12 of 12 (scene 6): open the drawer' in shown
    assert 'good' not in shown and 'bad' not in shown
    report = session_report(again, 'vla compare')
    alone, helped = report.sums['success without help'], report.sums['intervention']
    assert (alone.rate_a, alone.rate_b, helped.rate_a, helped.rate_b) == (1, 0, 0, 1)
    assert alone.verdict is helped.verdict is Verdict.A
    assert report.sums['success, help allowed'].verdict is Verdict.UNDECIDED
    assert report.to_dict()['interventions_b'] == 12


def test_what_lies_open_in_the_folder_does_not_name_the_driver(tmp_path: Path) -> None:
    session = open_session(tmp_path, PLAN, seed=0)
    hold(session, Typist('s\n' * 12), _now)
    assert not {'good', 'bad'} & set((tmp_path / 'trials.jsonl').read_text().split('"'))
    assert session._order.encode() not in (tmp_path / 'order.sealed').read_bytes()


def test_redone_trials_do_not_count_and_are_told(tmp_path: Path) -> None:
    session = open_session(tmp_path, replace(PLAN, episodes=1), seed=0)
    assert hold(session, Typist('rno light\nr\ns\ns\n'), _now)
    assert [row.trial for row in session.rows] == [1, 1, 1, 2]
    document = session_report(session, '').to_dict()
    assert document['redone_a'] + document['redone_b'] == 2
    assert document['overall']['success without help']['pairs'] == 1


def test_told_sessions_take_no_more_trials(tmp_path: Path) -> None:
    session = open_session(tmp_path, PLAN, seed=0)
    assert not hold(session, Typist('s\ns\ns\nq'), _now)
    assert session_report(session, '').sums['success without help'].counts.pairs == 1
    with pytest.raises(InvalidDataError, match='the order was told already'):
        hold(open_session(tmp_path, PLAN, seed=0), Typist(''), _now)


def test_nothing_is_told_of_a_session_without_a_pair(tmp_path: Path) -> None:
    session = open_session(tmp_path, PLAN, seed=0)
    hold(session, Typist('s\nq'), _now)
    with pytest.raises(InvalidDataError, match='got 1 finished trials'):
        session_report(session, '')
    assert not session.unblinded


def test_other_plans_and_broken_journals_are_refused(tmp_path: Path) -> None:
    open_session(tmp_path, PLAN, seed=0)
    with pytest.raises(InvalidDataError, match="with b 'bad', got 'worse'"):
        open_session(tmp_path, replace(PLAN, b='worse'), seed=0)
    (tmp_path / 'trials.jsonl').write_text('{"trial": 1}\n')
    with pytest.raises(InvalidDataError, match='broken journal'):
        open_session(tmp_path, PLAN, seed=0)


def test_command_gets_the_hidden_policy_and_prints_to_the_log(tmp_path: Path) -> None:
    plan = replace(PLAN, episodes=1, run='echo {policy} does {instruction}; exit 3')
    session = open_session(tmp_path, plan, seed=0)
    operator = Typist(' s\n' * 2)
    assert hold(session, operator, _now)
    logs = {(tmp_path / 'logs' / f'trial_{k:03d}.log').read_text() for k in (1, 2)}
    assert logs == {'good does open the drawer\n', 'bad does open the drawer\n'}
    assert [row.exit_code for row in session.rows] == [3, 3]
    assert any('ended with code 3' in line for line in operator.shown)
    assert fill('run {policy}', "it's", '') == "run 'it'\"'\"'s'"


class Impatient(Typist):
    """An operator who ends the policy as soon as it has begun."""

    def __init__(self, log: Path) -> None:
        super().__init__('')
        self._log = log

    def pressed(self, timeout_s: float) -> bool:
        return self._log.read_bytes() != b''


def test_a_key_ends_the_command_and_all_it_started(tmp_path: Path) -> None:
    log = tmp_path / 'log'
    assert run_hidden('sleep 60 & echo $!; wait', log, Impatient(log)) != 0
    assert not _alive(int(log.read_text()))


class Gone(Typist):
    """An operator whose terminal is closed while the policy drives: the kernel says so twice."""

    def __init__(self, log: Path) -> None:
        super().__init__('')
        self._log = log

    def pressed(self, timeout_s: float) -> bool:
        if self._log.read_bytes() == b'':
            return False
        os.kill(os.getpid(), signal.SIGHUP)
        raise InputEndedError


def test_a_closed_terminal_ends_the_command_too(tmp_path: Path) -> None:
    log, before = tmp_path / 'log', signal.getsignal(signal.SIGHUP)
    with pytest.raises(InputEndedError):
        run_hidden('echo $$; exec sleep 60', log, Gone(log))
    assert not _alive(int(log.read_text()))
    assert signal.getsignal(signal.SIGHUP) is before


def _alive(process: int) -> bool:
    try:
        state = Path(f'/proc/{process}/stat').read_text().split()[2]
    except FileNotFoundError:
        return False
    return state != 'Z'


def test_form_is_filled_in_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr(sys, 'stdin', stdin)
        with terminal() as operator:
            os.write(master, 'i2\nfüß\x7f\n'.encode())
            assert ask(operator) == Answer(Outcome.SUCCESS, 2, 'fü')
            assert 'fü' in capsys.readouterr().out
            os.write(master, b's')
            assert operator.pressed(10.0)
            assert not operator.pressed(0.0)
            os.write(master, b'\x04')
            with pytest.raises(InputEndedError, match='trials so far are kept'):
                operator.key()
            os.close(master)
            with pytest.raises(InputEndedError):
                operator.key()


def test_input_that_is_no_terminal_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'empty').touch()
    with (tmp_path / 'empty').open() as stdin:
        monkeypatch.setattr(sys, 'stdin', stdin)
        with pytest.raises(InvalidDataError, match='no terminal'), terminal():
            pass


def test_rows_are_on_the_disk_before_the_next_trial(tmp_path: Path) -> None:
    session = open_session(tmp_path, PLAN, seed=0)
    row = TrialRow(1, 1, Outcome.FAILURE, 1, 'slipped', None, _now())
    session.keep(row)
    line, = (tmp_path / 'trials.jsonl').read_text().splitlines()
    assert json.loads(line)['outcome'] == 'failure'
    assert open_session(tmp_path, PLAN, seed=0).rows == [row]
