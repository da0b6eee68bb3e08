"""How a comparison is told: the first difference, then a row a stream."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text
from vla_bringup.replay.compare import as_json, Comparison, StreamResult
from vla_bringup.replay.golden import Recording


def tell_difference(result: Comparison, console: Console) -> None:
    """Print the first difference on one line, then every stream."""
    console.print(Text(result.line, style='red'), soft_wrap=True)
    table = Table('stream', 'steps that differ', 'first step', 'largest', 'allowed', box=None,
                  header_style='bold', pad_edge=False)
    for stream in result.streams:
        style = 'red' if stream.steps else ''
        table.add_row(*_cells(stream, result.compared), style=style)
    console.print(table)


def tell_success(result: Comparison, console: Console) -> None:
    """Print how near the replay came."""
    console.print(
        f'the same: {result.compared} steps, largest difference of an action '
        f'{result.largest_action:.2g} (m, rad or opening)', style='bold')


def speed_line(recording: Recording, step_s: float, way: str) -> str:
    """Say how fast a replay was, from its first answer to its last."""
    count = len(recording.moments)
    return (f'replayed {count} steps, {count * step_s:.1f} s of the bag, {way} at '
            f'{recording.speed(step_s):.1f} x real time')


def results_of(
    result: Comparison | None, recording: Recording, step_s: float, command: str,
) -> Mapping[str, object]:
    """Return everything for --json."""
    told = {'same': result is not None and not result.differences,
            **(as_json(result) if result else {})}
    return {
        **told, 'steps_replayed': len(recording.moments), 'end': recording.end,
        'seconds_recorded': len(recording.moments) * step_s, 'seconds_wall': recording.wall_s,
        'x_real_time': recording.speed(step_s),
        'policy': recording.identity.policy_name, 'weights': recording.identity.weights,
        'command': command}


def _cells(stream: StreamResult, compared: int) -> tuple[str, ...]:
    measured = stream.unit and stream.largest == stream.largest
    return (
        stream.name, f'{stream.steps} of {compared}' if stream.steps else '-',
        '' if stream.first is None else str(stream.first),
        f'{stream.largest:.3g} {stream.unit}' if measured else '',
        f'{stream.allowed:.0e} {stream.unit}' if stream.unit else 'the same')
