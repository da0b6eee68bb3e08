"""What the terminal shows while a person drives: rows that stay, and one status line."""

from collections.abc import Callable
import json
import time

from rich.console import Console as Screen
from rich.console import Group
from rich.live import Live
from rich.text import Text
from vla_bringup.terminal_picture import Pictures

_COLUMNS = 36  # of a picture
_BELL = '\a'
_FLASH_S = 0.4  # the line stands in reverse for so long at the start and the end of an episode


class OperatorView:
    """Understands the events of the operator's and the teleop node."""

    def __init__(self, screen: Screen, *, verbose: bool) -> None:
        self.domain = 0
        self.problem = ''
        self._screen, self._verbose = screen, verbose
        self._stage, self._doing, self._device = 'starting', '', ''
        self._mode = ''
        self._since_s: float | None = None  # when the recording began
        self._flash_s = 0.0
        self.pictures = Pictures(_COLUMNS)
        self.live = Live(
            console=screen, refresh_per_second=6, transient=True,
            get_renderable=lambda: Group(self.pictures, self._line()))
        self._handlers: dict[str, Callable[[dict], None]] = {
            'waiting': lambda event: self._go(event['text'], ''),
            'ready': self._on_ready, 'free': self._on_free, 'recording': self._on_recording,
            'review': self._on_review, 'kept': self._on_kept, 'dropped': self._on_dropped,
            'lost': lambda event: self._say(event['text'], 'red'),
            'said': lambda event: self._say(event['text'], 'yellow'),
            'verdict': lambda event: self._say(event['reason'], 'bold'),
            'mode': self._on_mode, 'teleop': self._on_teleop}

    def on_line(self, name: str, line: str) -> None:
        """Take one log line of a node."""
        if name in ('operator', 'teleop') and line.startswith('{"event"'):
            event = json.loads(line)
            self._handlers[event['event']](event)
        elif self._verbose:
            self._screen.print(Text(f'{name:>10} | {line}'))

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._say(text, '')

    def _go(self, stage: str, doing: str) -> None:
        self._stage, self._doing, self._since_s = stage, doing, None

    def _say(self, text: str, style: str) -> None:
        self._screen.print(Text(text, style=style), soft_wrap=True)

    def _signal(self) -> None:
        """Beep and flash."""
        self._flash_s = time.monotonic() + _FLASH_S
        if self._screen.is_terminal:
            self._screen.file.write(_BELL)
            self._screen.file.flush()

    def _on_ready(self, event: dict) -> None:
        self._go(f'READY {event["number"]}/{event["count"]}', event['instruction'])

    def _on_free(self, event: dict) -> None:
        self._go('DRIVE', event['instruction'])

    def _on_recording(self, event: dict) -> None:
        self._stage, self._since_s = self._stage.replace('READY', 'REC'), time.monotonic()
        self._signal()

    def _on_review(self, event: dict) -> None:
        self._stage, self._since_s = self._stage.replace('REC', 'REVIEW'), None
        self._say(f'    over: {event["text"]} {event["reason"]}'.rstrip(), 'bold')
        self._signal()

    def _on_kept(self, event: dict) -> None:
        verdict = {True: 'success', False: 'failure', None: 'not judged'}[event['success']]
        style = {True: 'green', False: 'red', None: ''}[event['success']]
        self._say(
            f'{event["number"]:>4} kept, {verdict}: {event["episode"]} ({self._doing})', style)
        self._signal()

    def _on_dropped(self, event: dict) -> None:
        self._go('SCENE', self._doing)
        self._say(f'     {"begun again" if event["how"] == "redo" else "discarded"}', 'yellow')
        self._signal()

    def _on_mode(self, event: dict) -> None:
        self._mode = f'{event["mode"]} {event["source"]} {event["reason"]}'.rstrip()

    def _on_teleop(self, event: dict) -> None:
        frame, speed = event['frame'], round(100 * event['speed'])
        self._device = event['problem'] or f'{event["device"]}: {frame}, {speed} %'

    def _line(self) -> Text:
        now = time.monotonic()
        clock = '' if self._since_s is None else f' {now - self._since_s:5.1f} s'
        style = 'reverse' if now < self._flash_s else 'red' if self._since_s else 'cyan'
        parts = (f'{self._stage}{clock}', self._doing, self._mode, self._device,
                 f'ROS_DOMAIN_ID={self.domain}')
        return Text('  '.join(part for part in parts if part), style=style, no_wrap=True,
                    overflow='ellipsis')
