"""Golden and replayed steps side by side: what differs, how far, and what differed first.

Steps are matched by their stamps, and within one step causes come before what they cause: the
instants, what was seen, what was asked, what was answered.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from vla_bringup.replay.moment import Moment
from vla_core.geometry import delta_between

SEEN = 1e-9  # allowed of numbers that are read, not inferred; float64 rounds at 1e-16
TOLERANCE = 1e-5  # allowed of an action [m, rad, share]; see docs/replay.md for how it was chosen
SHIFTS = (1, -1, 2, -2)  # frames by which a picture topic may be found to be late or early
_PARTS = (('action xyz', 'm', slice(0, 3)), ('action rotation', 'rad', slice(3, 6)),
          ('action gripper', 'opening', slice(6, 7)))


@dataclass(frozen=True)
class Difference:
    """One stream at one step, beyond what is allowed."""

    step: int  # of the golden steps
    stream: str
    off: float  # nan where it cannot be measured
    text: str  # what, got, golden, allowed


@dataclass(frozen=True)
class StreamResult:
    """One stream over all steps."""

    name: str
    unit: str  # '' where it cannot be measured
    allowed: float
    steps: int  # that differ
    first: int | None  # golden step
    largest: float  # difference of any step, also an allowed one


@dataclass(frozen=True)
class Comparison:
    """What came of a replay."""

    compared: int  # steps
    streams: tuple[StreamResult, ...]
    differences: tuple[Difference, ...]  # the first of each stream, in the order of causes
    golden_ns: tuple[int, ...]

    @property
    def first(self) -> Difference | None:
        """The first step that differs, and in it the first cause."""
        return min(self.differences, key=lambda found: found.step, default=None)

    @property
    def line(self) -> str:
        """The first difference on one line; '' without one."""
        found = self.first
        if found is None:
            return ''
        seconds = (self.golden_ns[found.step] - self.golden_ns[0]) * 1e-9
        return f'step {found.step} at {seconds:.3f} s: {found.text}'

    @property
    def largest_action(self) -> float:
        """Largest difference of any action [m, rad or opening]."""
        return max((s.largest for s in self.streams if s.name.startswith('action ') and s.unit),
                   default=0.0)


@dataclass(frozen=True)
class _Stream:
    """How one stream of two moments is compared."""

    name: str
    unit: str
    allowed: float
    off: Callable[[Moment, Moment], float]  # (got, golden); inf where they are unlike
    tell: Callable[[Moment, Moment], str]


def compare(
    got: Sequence[Moment], golden: Sequence[Moment], tolerance: float = TOLERANCE, *,
    whole: bool = True,
) -> Comparison:
    """Compare every step; unless `whole`, steps that were not replayed are no difference."""
    by_stamp = {moment.stamp_ns: moment for moment in got}
    pairs = [(step, by_stamp[moment.stamp_ns], moment) for step, moment in enumerate(golden)
             if moment.stamp_ns in by_stamp]
    differences, results = [], []
    if whole and (instants := _instants(got, golden)) is not None:
        differences.append(instants)
        missing = len(golden) - len(pairs) + len(got) - len(pairs)
        results.append(StreamResult('instant', '', 0.0, missing, instants.step, np.nan))
    for stream in _streams(got, golden, tolerance):
        result, first = _judge(stream, pairs)
        results.append(result)
        if first is not None:
            differences.append(_explained(first, got, golden))
    return Comparison(len(pairs), tuple(results), tuple(differences),
                      tuple(moment.stamp_ns for moment in golden))


def _instants(got: Sequence[Moment], golden: Sequence[Moment]) -> Difference | None:
    stamps, wanted = [m.stamp_ns for m in got], [m.stamp_ns for m in golden]
    if stamps == wanted:
        return None
    step = next((k for k, pair in enumerate(zip(stamps, wanted)) if pair[0] != pair[1]),
                min(len(stamps), len(wanted)))
    told = f'{stamps[step]} ns' if step < len(stamps) else f'the end after {len(stamps)} steps'
    made = f'{wanted[step]} ns' if step < len(wanted) else f'the end after {len(wanted)} steps'
    return Difference(min(step, len(wanted) - 1), 'instant', np.nan,
                      f'instant: got {told}, golden {made}, allowed the same')


def _judge(
    stream: _Stream, pairs: Sequence[tuple[int, Moment, Moment]],
) -> tuple[StreamResult, Difference | None]:
    off = np.array([stream.off(got, golden) for _, got, golden in pairs])
    wrong = np.flatnonzero(~(off <= stream.allowed))
    finite = off[np.isfinite(off)]
    largest = float(finite.max()) if stream.unit and finite.size else np.nan
    first = int(wrong[0]) if wrong.size else None
    result = StreamResult(stream.name, stream.unit, stream.allowed, len(wrong),
                          None if first is None else pairs[first][0], largest)
    if first is None:
        return result, None
    step, got, golden = pairs[first]
    return result, Difference(step, stream.name, float(off[first]), stream.tell(got, golden))


def _streams(
    got: Sequence[Moment], golden: Sequence[Moment], tolerance: float,
) -> list[_Stream]:
    felt = any(moments and moments[0].wrench is not None for moments in (got, golden))
    pictures = [_picture(name) for name in (golden[0].pictures if golden else ())]
    numbers = [
        _number('joint_position', 'rad', lambda m: m.joint_position),
        _number('joint_velocity', 'rad/s', lambda m: m.joint_velocity),
        _Stream('tool_pose', 'm', SEEN, lambda a, b: _apart(a, b)[0], _tell_pose('m')),
        _Stream('tool_pose turn', 'rad', 1e-7, lambda a, b: _apart(a, b)[1], _tell_pose('rad')),
        _number('gripper', 'opening', lambda m: np.array([m.gripper]))]
    if felt:
        numbers.append(_number('wrench', 'N, Nm', lambda m: m.wrench))
    words = [
        _Stream('subtask', '', 0.0, lambda a, b: 0.0 if a.subtask == b.subtask else np.inf,
                lambda a, b: f'subtask: got {a.subtask!r}, golden {b.subtask!r}'),
        _Stream('action', '', 0.0, _answered, lambda a, b: (
            f'action: got {_said(a.chunk)}, golden {_said(b.chunk)}'))]
    actions = [_action(*part, tolerance) for part in _PARTS]
    progress = _number('progress', 'share', lambda m: np.array([m.progress]), tolerance * 10)
    return [*pictures, *numbers, *words, *actions, progress]


def _picture(name: str) -> _Stream:
    return _Stream(name, '', 0.0, lambda a, b: (
        0.0 if a.pictures.get(name) == b.pictures[name] else np.inf),
        lambda a, b: f'{name} differs: got {a.pictures.get(name, "none")}, '
                     f'golden {b.pictures[name]}, allowed the same pixels')


def _number(
    name: str, unit: str, value: Callable[[Moment], np.ndarray | None], allowed: float = SEEN,
) -> _Stream:
    def off(got: Moment, golden: Moment) -> float:
        return _distance(value(got), value(golden))

    def tell(got: Moment, golden: Moment) -> str:
        return (f'{name} is {off(got, golden):.3g} {unit} off: got {_shown(value(got))}, '
                f'golden {_shown(value(golden))}, allowed {allowed:.0e} {unit}')

    return _Stream(name, unit, allowed, off, tell)


def _action(name: str, unit: str, columns: slice, tolerance: float) -> _Stream:
    def rows(moment: Moment) -> np.ndarray:
        return moment.chunk[:, columns]

    def off(got: Moment, golden: Moment) -> float:
        both = got.chunk is not None and golden.chunk is not None
        return _distance(rows(got), rows(golden)) if both and not _answered(got, golden) else 0.0

    def tell(got: Moment, golden: Moment) -> str:
        row = int(np.abs(rows(got) - rows(golden)).max(axis=1).argmax())
        now = float(np.abs(rows(got)[0] - rows(golden)[0]).max())
        return (f'{name} is {off(got, golden):.3g} {unit} off in row {row} ({now:.3g} in row 0): '
                f'got {_shown(rows(got)[row])}, golden {_shown(rows(golden)[row])}, '
                f'allowed {tolerance:.0e} {unit}')

    return _Stream(name, unit, tolerance, off, tell)


def _answered(got: Moment, golden: Moment) -> float:
    shapes = [None if m.chunk is None else m.chunk.shape for m in (got, golden)]
    return 0.0 if shapes[0] == shapes[1] else np.inf


def _said(chunk: np.ndarray | None) -> str:
    return 'none' if chunk is None else f'{len(chunk)} rows of {chunk.shape[1]}'


def _distance(got: np.ndarray | None, golden: np.ndarray | None) -> float:
    if got is None or golden is None:
        return 0.0 if got is golden else np.inf
    if got.shape != golden.shape:
        return np.inf
    off = float(np.abs(got - golden).max()) if got.size else 0.0
    return off if np.isfinite(off) else np.inf


def _apart(got: Moment, golden: Moment) -> tuple[float, float]:
    """Return how far two tool poses are apart [m] and turned [rad]."""
    delta = delta_between(golden.tool_pose, got.tool_pose)
    return float(np.linalg.norm(delta[:3])), float(np.linalg.norm(delta[3:6]))


def _tell_pose(unit: str) -> Callable[[Moment, Moment], str]:
    def tell(got: Moment, golden: Moment) -> str:
        metres, turn = _apart(got, golden)
        off = f'{metres:.4f} m' if unit == 'm' else f'turned by {turn:.4f} rad'
        return (f'tool_pose is {off} off: got {_shown(got.tool_pose)}, '
                f'golden {_shown(golden.tool_pose)}, '
                f'allowed {SEEN if unit == "m" else 1e-7:.0e} {unit}')
    return tell


def _shown(values: np.ndarray | None) -> str:
    if values is None:
        return 'none'
    return f'({", ".join(f"{value:.5f}" for value in np.atleast_1d(values)[:7])})'


def _explained(found: Difference, got: Sequence[Moment], golden: Sequence[Moment]) -> Difference:
    """Say of a picture topic by how many frames it is late or early, where that explains it."""
    if not found.stream.endswith(' image'):
        return found
    frames = shift_between([m.pictures.get(found.stream, '') for m in got],
                           [m.pictures[found.stream] for m in golden])
    if frames is None:
        return found
    side = 'late' if frames > 0 else 'early'
    count = f'{abs(frames)} frame{"s" if abs(frames) > 1 else ""}'
    return Difference(found.step, found.stream, found.off,
                      f'{found.stream} is shifted by {count}, too {side}: {found.text}')


def shift_between(got: Sequence[str], golden: Sequence[str]) -> int | None:
    """Return by how many frames `got` repeats `golden` late (above 0) or early; None: neither.

    One frame in ten may be another, as where the shift began.
    """
    count = min(len(got), len(golden))
    for frames in SHIFTS:
        late = max(frames, 0)
        early = max(-frames, 0)
        pairs = list(zip(got[late:count - early], golden[early:count - late]))
        alike = sum(one == other for one, other in pairs)
        straight = sum(one == other for one, other in zip(got, golden))
        if len(pairs) > 1 and alike >= 0.9 * len(pairs) and alike > straight + 1:
            return frames
    return None


def as_json(comparison: Comparison) -> Mapping[str, object]:
    """Return a comparison as JSON types."""
    return {
        'steps': comparison.compared, 'first_difference': comparison.line,
        'largest_action_difference': comparison.largest_action,
        'streams': [{
            'stream': s.name, 'unit': s.unit, 'allowed': s.allowed, 'steps': s.steps,
            'first': s.first, 'largest': None if np.isnan(s.largest) else s.largest}
            for s in comparison.streams]}
