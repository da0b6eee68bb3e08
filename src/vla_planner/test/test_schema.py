"""Laws of the plan schema."""

from hypothesis import given
from hypothesis import strategies as st
import pytest
from vla_core.errors import VlaError
from vla_core.tasks import TASKS
from vla_planner.schema import from_json, Plan, PlanStep, to_json

STEPS = st.builds(
    PlanStep, st.sampled_from(sorted(TASKS)), st.just('open the drawer'), st.text(max_size=99)
)


@given(st.builds(Plan, st.text(max_size=99), st.lists(STEPS, min_size=1, max_size=16).map(tuple)))
def test_json_round_trip_is_identity(plan: Plan) -> None:
    assert from_json(to_json(plan)) == plan


@pytest.mark.parametrize(
    'text',
    [
        'no json', '[]', '3', '{}', '{"instruction": "x", "steps": []}',
        '{"instruction": "x", "steps": [{"task": "fly", "text": "fly"}]}',
        '{"instruction": "x", "steps": [{"task": "open_drawer", "text": ""}]}',
        '{"instruction": "x", "steps": [{"task": ["open_drawer"], "text": "x"}]}',
        '{"instruction": "x", "steps": [{"task": "open_drawer", "text": "x", "code": "y"}]}',
        '{"instruction": 3, "steps": [{"task": "open_drawer", "text": "x"}]}',
        '{"instruction": "x", "steps": {"task": "open_drawer", "text": "x"}}',
        '{"instruction": "x", "steps": [{"task": "open_drawer", "text": "x"}], "more": 1}',
        '[' * 100000,
    ],
)
def test_anything_outside_the_schema_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(VlaError) as refusal:
        from_json(text)
    assert len(str(refusal.value).splitlines()) == 1


def test_plans_are_bounded() -> None:
    step = PlanStep('open_drawer', 'open the drawer')
    with pytest.raises(VlaError, match='17 steps; allowed: 1 to 16'):
        Plan('x', (step,) * 17)
    with pytest.raises(VlaError, match='513 characters; allowed: 512'):
        PlanStep('open_drawer', 'x' * 513)
