"""Run a graph's nodes as processes: logs to a file, restarts, and an end that leaves none."""

from collections.abc import Callable, Sequence
import ctypes
from dataclasses import dataclass
import json
import os
from pathlib import Path
import selectors
import signal
import socket
import subprocess
import sys
import time
from typing import TextIO

from vla_bringup.graph import graph_environment, NodeSpec, Parameter
from vla_core.errors import VlaError

_PR_SET_PDEATHSIG = 1
_COLOURS = (36, 33, 35, 32, 34, 31, 96, 93)  # ANSI, one a node
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class SupervisorConfig:
    """How patiently nodes are restarted and ended."""

    backoff_s: float = 0.5  # before the first restart; doubles with every crash in a row
    backoff_max_s: float = 8.0
    healthy_s: float = 30.0  # a node that lived so long starts afresh in the count
    crashes_max: int = 5  # in a row; then the run is given up
    interrupt_s: float = 1.6  # SIGINT until SIGTERM when the user stops the run
    finish_s: float = 15.0  # the same at the natural end: the recorder may still write
    terminate_s: float = 0.8  # SIGTERM until SIGKILL


class _Node:
    """One node's process, and how often it crashed."""

    def __init__(self, spec: NodeSpec, colour: int) -> None:
        self.spec, self.colour = spec, colour
        self.process: subprocess.Popen | None = None
        self.started_s = 0.0
        self.crashes = 0
        self.restart_at_s: float | None = None
        self.last_line = ''
        self.partial = b''

    @property
    def alive(self) -> bool:
        """Say whether the process runs."""
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Starts nodes, restarts those that crash, and ends when a critical one does."""

    def __init__(
        self,
        nodes: Sequence[NodeSpec],
        log: TextIO,
        on_line: Callable[[str, str], None] = lambda name, line: None,
        config: SupervisorConfig | None = None,
        domain: int | None = None,
    ) -> None:
        """Write every line to `log` and hand it to `on_line(node, line)`.

        The nodes join the ROS `domain`, or a free one of their own.
        """
        self._nodes = [
            _Node(spec, _COLOURS[i % len(_COLOURS)]) for i, spec in enumerate(nodes)]
        self._log, self._on_line = log, on_line
        self._config = config or SupervisorConfig()
        self._selector = selectors.DefaultSelector()
        self.domain = free_domain() if domain is None else domain
        self._environment = {
            **os.environ, **graph_environment(), 'ROS_DOMAIN_ID': str(self.domain)}
        self._interrupted = False
        self.problem = ''  # why the run was given up

    def run(self) -> int:
        """Run to the end; return the critical node's exit code, 130 after Ctrl-C."""
        before = {
            number: signal.signal(number, self._interrupt)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        code: int | None = None
        try:
            for node in self._nodes:
                self._start(node)
            while code is None and not self._interrupted:
                self._read(0.1)
                code = self._look_after()
        finally:
            self._stop(self._config.finish_s if code == 0 else self._config.interrupt_s)
            for number, handler in before.items():
                signal.signal(number, handler)
        return 130 if self._interrupted else code

    def pids(self) -> dict[str, int]:
        """Return the process ids of the running nodes by name."""
        return {node.spec.name: node.process.pid for node in self._nodes if node.alive}

    # --- processes ----------------------------------------------------------------------------

    def _start(self, node: _Node) -> None:
        node.process = subprocess.Popen(
            node_command(node.spec), env=self._environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=_die_with_parent)
        node.started_s, node.restart_at_s = time.monotonic(), None
        os.set_blocking(node.process.stdout.fileno(), False)
        self._selector.register(node.process.stdout, selectors.EVENT_READ, node)

    def _look_after(self) -> int | None:
        """Restart what crashed; return the exit code once the run is over."""
        for node in self._nodes:
            if node.alive:
                continue
            if node.restart_at_s is not None:
                if time.monotonic() >= node.restart_at_s:
                    self._start(node)
                continue
            self._drain(node)
            code = node.process.returncode
            self._write(node, f'ended with code {code}')
            if node.spec.critical or not self._schedule(node, code):
                return self._verdict(node, code)
        return None

    def _schedule(self, node: _Node, code: int) -> bool:
        """Plan the restart of a node; say whether there is still hope."""
        config, now = self._config, time.monotonic()
        node.crashes = 1 if now - node.started_s > config.healthy_s else node.crashes + 1
        hopeless = code == 2 and node.crashes > 1  # the user's input is wrong, and stays so
        if not node.spec.respawn or hopeless or node.crashes > config.crashes_max:
            return False
        delay = min(config.backoff_s * 2 ** (node.crashes - 1), config.backoff_max_s)
        node.restart_at_s = now + delay
        self._write(node, f'restart in {delay:g} s')
        return True

    def _verdict(self, node: _Node, code: int) -> int:
        if node.spec.leads:
            self.problem = '' if code == 0 else node.last_line
            return code
        self.problem = f'{node.spec.name} ended with code {code}: {node.last_line}'
        return 2 if code == 2 else 1

    def _stop(self, patience_s: float) -> None:
        self._signal(signal.SIGINT)
        self._await_end(patience_s)
        self._signal(signal.SIGTERM)
        self._await_end(self._config.terminate_s)
        self._signal(signal.SIGKILL)
        for node in self._nodes:
            if node.process is not None:
                node.process.wait()
                self._drain(node)
        self._log.flush()

    def _signal(self, number: int) -> None:
        for node in self._nodes:
            if node.alive:
                os.killpg(node.process.pid, number)

    def _await_end(self, patience_s: float) -> None:
        limit = time.monotonic() + patience_s
        hurried = self._interrupted
        while any(node.alive for node in self._nodes) and time.monotonic() < limit:
            self._read(0.05)
            if self._interrupted and not hurried:  # Ctrl-C while the run was finishing
                hurried, limit = True, time.monotonic() + self._config.interrupt_s

    def _interrupt(self, number: int, frame: object) -> None:
        del number, frame
        self._interrupted = True

    # --- output -------------------------------------------------------------------------------

    def _read(self, timeout_s: float) -> None:
        if not self._selector.get_map():
            time.sleep(timeout_s)
        for key, _ in self._selector.select(timeout_s):
            self._take(key.data, key.fileobj)

    def _drain(self, node: _Node) -> None:
        stream = node.process.stdout
        if not stream.closed:
            while self._take(node, stream):
                pass

    def _take(self, node: _Node, stream: object) -> bool:
        """Read what is there; return False at the end of the stream or when nothing is."""
        try:
            data = os.read(stream.fileno(), 65536)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(stream)
            stream.close()
            return False
        *lines, node.partial = (node.partial + data).split(b'\n')
        for line in lines:
            text = line.decode(errors='replace').rstrip()
            node.last_line = text or node.last_line
            self._write(node, text)
        return True

    def _write(self, node: _Node, line: str) -> None:
        stamp = time.strftime('%H:%M:%S')
        self._log.write(f'\x1b[{node.colour}m{stamp} {node.spec.name:>10}\x1b[0m | {line}\n')
        self._log.flush()
        self._on_line(node.spec.name, line)


def node_command(spec: NodeSpec) -> list[str]:
    """Return the command line of a node; parameters are quoted so that strings stay strings."""
    arguments = ['-r', f'__node:={spec.name}']
    for old, new in spec.remappings:
        arguments += ['-r', f'{old}:={new}']
    for key, value in spec.parameters.items():
        arguments += ['-p', f'{key}:={_yaml(value)}']
    return [sys.executable, '-m', f'{spec.package}.{spec.executable}', '--ros-args', *arguments]


def free_domain() -> int:
    """Return a ROS domain id that no participant of this host uses, counted from the pid.

    Domains 1 to 101 keep clear of the ephemeral ports; participant 0 of a domain holds UDP
    port 7410 + 250 domain (DDSI-RTPS 2.5, 9.6.1.1).
    """
    for offset in range(101):
        domain = 1 + (os.getpid() + offset) % 101
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(('127.0.0.1', 7410 + 250 * domain))
            except OSError:
                continue
            return domain
    raise VlaError('ROS domain: got none free, allowed one of 1 to 101')


def log_path(run: Path) -> Path:
    """Return where a run's log is."""
    return run / 'log.txt'


def _yaml(value: Parameter) -> str:
    return json.dumps(value, ensure_ascii=False)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


