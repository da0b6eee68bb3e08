"""The plan: which known tasks in which order; JSON in and out for planners that write text."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
import json
from typing import Any

from vla_core.errors import InvalidDataError
from vla_core.tasks import task

MAX_STEPS = 16
MAX_TEXT = 512
MAX_REASONING = 2048


@dataclass(frozen=True)
class PlanStep:
    """One task, the words the policy is told, and why."""

    task: str
    text: str
    reasoning: str = ''

    def __post_init__(self) -> None:
        """Refuse unknown tasks and texts that do not fit a Subtask."""
        task(self.task)
        _check_text('text', self.text, MAX_TEXT)
        _check_text('reasoning', self.reasoning, MAX_REASONING)
        if not self.text.strip():
            raise InvalidDataError('plan step text is empty; allowed: a sentence')


@dataclass(frozen=True)
class Plan:
    """The steps that carry out one instruction."""

    instruction: str
    steps: tuple[PlanStep, ...]

    def __post_init__(self) -> None:
        """Refuse plans that are empty or too long."""
        _check_text('instruction', self.instruction, MAX_TEXT)
        if not 1 <= len(self.steps) <= MAX_STEPS:
            raise InvalidDataError(f'plan of {len(self.steps)} steps; allowed: 1 to {MAX_STEPS}')


def to_json(plan: Plan) -> str:
    """Return the plan as JSON."""
    return json.dumps(asdict(plan))


def from_json(text: str) -> Plan:
    """Return the plan written in `text`; raise VlaError for anything outside the schema."""
    try:
        raw = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidDataError(f'plan is not JSON: {error}') from None
    fields = _fields('plan', raw, required={'instruction', 'steps'})
    if not isinstance(fields['steps'], list):
        raise InvalidDataError(f'plan steps: got {type(fields["steps"]).__name__}; allowed: list')
    return Plan(fields['instruction'], tuple(_step(step) for step in fields['steps']))


def _step(raw: Any) -> PlanStep:
    fields = _fields('plan step', raw, required={'task', 'text'}, optional={'reasoning'})
    _check_text('task', fields['task'], MAX_TEXT)
    return PlanStep(**fields)


def _fields(
    what: str, raw: Any, required: set[str], optional: frozenset[str] | set[str] = frozenset()
) -> Mapping[str, Any]:
    got = set(raw) if isinstance(raw, dict) else None
    if got is None or not required <= got <= required | optional:
        shown = sorted(got) if got is not None else type(raw).__name__
        allowed = ', '.join(sorted(required | optional))
        raise InvalidDataError(f'{what} fields: got {shown}; allowed: {allowed}')
    return raw


def _check_text(what: str, value: Any, limit: int) -> None:
    if not isinstance(value, str):
        raise InvalidDataError(f'plan {what}: got {type(value).__name__}; allowed: text')
    if len(value) > limit:
        raise InvalidDataError(f'plan {what} of {len(value)} characters; allowed: {limit}')
