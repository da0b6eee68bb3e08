"""A session at the terminal: the supervised graph, keys on their way, a line that tells."""

import contextlib
from contextlib import ExitStack
import os
from pathlib import Path
import signal
import sys
from typing import TextIO

from rich.console import Console as Screen
from vla_bringup.console_node import Console
from vla_bringup.graph import check_policy
from vla_bringup.operator_graph import operator_graph, OperatorOptions
from vla_bringup.operator_view import OperatorView
from vla_bringup.supervisor import log_path, Supervisor, SupervisorConfig
from vla_bringup.terminal import Terminal
from vla_control.teleop.devices import find_device
from vla_control.teleop.keys import MOVING, RECORDING, STEERING
from vla_core.errors import InvalidDataError, VlaError
from vla_core.spec import load_robot

_WRITE_S = 10.0  # a recorder that is told to end may still write what was kept
_LISTENERS = 2  # to words: the teleop and the operator node


def run_session(
    options: OperatorOptions, run: Path, domain: int | None, *, verbose: bool, look: bool,
) -> int:
    """Run a session to its end; return the exit code. `look` shows the cameras.

    Without a terminal only what needs none goes on: a hands-free session, or a device with
    buttons of its own.
    """
    nodes = operator_graph(options)
    terminal = _terminal(options)
    run.mkdir(parents=True, exist_ok=True)
    screen = Screen(highlight=False, file=LastingFile(sys.stdout))
    view = OperatorView(screen, verbose=verbose)
    with log_path(run).open('w') as log, ExitStack() as stack:
        supervisor = Supervisor(
            nodes, log, view.on_line, SupervisorConfig(interrupt_s=_WRITE_S), domain)
        view.domain = supervisor.domain
        if terminal is not None:
            help_ = [find_device(options.device).controls or MOVING,
                     STEERING, *([RECORDING] if options.episodes else ['         q quit'])]
            view.say('\n'.join(help_))
            stack.enter_context(terminal)
            stack.enter_context(Console(
                terminal, supervisor.domain, on_lost=_hang_up, listeners=_LISTENERS,
                cameras=tuple(load_robot(options.robot).cameras) if look else (),
                on_image=view.pictures.show))
        stack.enter_context(view.live)
        code = supervisor.run()
    if supervisor.problem:
        screen.print(f'{supervisor.problem} (see {log_path(run)})', style='red')
    return code


def named_policy(name: str) -> str:
    """Return the name of a policy once it is known to be there; '' for none."""
    if name:
        check_policy(name)
    return name


def drive_domain(real: bool, domain: int | None) -> int | None:
    """Return the ROS domain of a session: None for a free one of its own."""
    if domain is not None and not 0 <= domain <= 232:
        raise InvalidDataError(f'--domain: got {domain}, allowed 0 to 232')
    return int(os.environ.get('ROS_DOMAIN_ID', '0')) if real and domain is None else domain


def _terminal(options: OperatorOptions) -> Terminal | None:
    """Return the terminal; None where there is none and none is needed."""
    try:
        return Terminal()
    except VlaError:
        if options.device == 'keyboard' and not options.hands_free:
            raise
        return None


def _hang_up() -> None:
    """End the session of a terminal that is lost: the arm rests, what was recorded stays."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # what is still to be told, nobody reads
        os.dup2(nowhere, stream)
    os.kill(os.getpid(), signal.SIGHUP)


class LastingFile:
    """A terminal to write on whose loss is not the writer's end."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)

    def write(self, text: str) -> int:
        """Write, or do nothing where the terminal is lost."""
        with contextlib.suppress(OSError):
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or do nothing where the terminal is lost."""
        with contextlib.suppress(OSError):
            self._file.flush()
