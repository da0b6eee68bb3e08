"""A frozen dataclass is a node's parameters: names, defaults, descriptions and ranges.

A field says what it means, and optionally its range or choices, in its metadata:
`rate_hz: float = field(default=12.0, metadata=about('policy rate [Hz]', 1.0, 50.0))`.
"""

from collections.abc import Sequence
from dataclasses import fields, MISSING
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from vla_core.errors import InvalidDataError, UnknownNameError

Config = TypeVar('Config')


def about(
    description: str,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
) -> dict[str, Any]:
    """Return field metadata: a description, and either an inclusive range or choices."""
    if (minimum is None) != (maximum is None):
        raise InvalidDataError(
            f'range of {description!r}: got [{minimum}, {maximum}], allowed both bounds or none')
    return {'description': description, 'range': (minimum, maximum), 'choices': tuple(choices)}


def declare(node: Node, config: type[Config]) -> Config:
    """Declare every field of a frozen dataclass as a read-only parameter; return the values.

    Raises InvalidDataError for a value out of range, UnknownNameError for one not among the
    choices; both name the parameter.
    """
    values = {}
    for entry in fields(config):
        default = entry.default_factory() if entry.default is MISSING else entry.default
        values[entry.name] = _declare_one(node, entry.name, default, dict(entry.metadata))
    return config(**values)


def _declare_one(node: Node, name: str, default: Any, metadata: dict[str, Any]) -> Any:
    if isinstance(default, tuple):
        default = list(default)
    if not node.has_parameter(name):
        try:
            node.declare_parameter(name, default, _descriptor(default, metadata))
        except InvalidParameterTypeException as error:
            raise InvalidDataError(
                f'parameter {name}: {error}; allowed a {type(default).__name__}') from error
        except InvalidParameterValueException as error:
            low, high = metadata['range']
            raise InvalidDataError(
                f'parameter {name}: {error}; allowed {low} to {high}') from error
    value = node.get_parameter(name).value
    choices = metadata.get('choices', ())
    if choices and value not in choices:
        raise UnknownNameError(name, str(value), choices)
    return tuple(value) if isinstance(default, list) else value


def _descriptor(default: Any, metadata: dict[str, Any]) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=metadata.get('description', ''),
        read_only=True,
        additional_constraints=', '.join(metadata.get('choices', ())),
    )
    low, high = metadata.get('range', (None, None))
    if low is not None and isinstance(default, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(low), to_value=float(high))]
    elif low is not None:
        descriptor.integer_range = [
            IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    return descriptor
