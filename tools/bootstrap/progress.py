"""The steps of a set-up as lines on the terminal, their output in a log file."""

import os
import re
import signal
import subprocess
import sys
import time

from bootstrap.errors import SetupError

CAUSE = re.compile(r'error|no space left|not found|could not|failed|refused', re.IGNORECASE)


class Steps:
    """Run commands as numbered steps; show what runs, for how long, and why one failed."""

    def __init__(self, log_path, count, lock):
        log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log_path = log_path
        self._log = open(log_path, 'w', encoding='utf-8', errors='replace')
        self._count = count
        self._lock = lock
        self._number = 0

    def run(self, title, commands, environment=None):
        """Run the commands in order; raise SetupError with the cause when one fails."""
        self._number += 1
        label = f'[{self._number}/{self._count}] {title}'
        start = time.monotonic()
        self._show(label, '')
        for command in commands:
            begin = self._log.tell()
            print(f'\n$ {" ".join(map(str, command))}', file=self._log, flush=True)
            if self._wait(command, environment, label, start):
                raise SetupError(self._explain(title, begin))
        self._show(label, f'{time.monotonic() - start:.0f} s', end='\n')

    def _wait(self, command, environment, label, start):
        """Return the exit status of the command; a command that outlives us keeps the lock."""
        process = subprocess.Popen([str(part) for part in command], stdout=self._log,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   env=environment, start_new_session=True,
                                   pass_fds=[self._lock])
        try:
            while True:
                try:
                    return process.wait(timeout=1.0)
                except subprocess.TimeoutExpired:
                    if sys.stderr.isatty():
                        self._show(label, f'{time.monotonic() - start:.0f} s')
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _show(self, label, seconds, end=''):
        if sys.stderr.isatty():
            print(f'\r{label} ... {seconds}', end=end, file=sys.stderr, flush=True)
        elif end:
            print(f'{label}: {seconds}', file=sys.stderr, flush=True)

    def _explain(self, title, begin):
        self._log.flush()
        with open(self._log_path, encoding='utf-8', errors='replace') as log:
            log.seek(begin)
            lines = [line.strip() for line in log if line.strip()]
        print('', *lines[-15:], sep='\n    ', file=sys.stderr)
        causes = [line for line in lines if CAUSE.search(line)] or lines
        return f'{title}: {causes[-1]} (all of it: {self._log_path})'
