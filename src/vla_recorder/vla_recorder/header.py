"""All of an Episode that is not an array, as one JSON text."""

from collections.abc import Mapping
from dataclasses import asdict, fields
import json

import numpy as np
from vla_core.episode import Episode, Intervention, Question, Stream, SubtaskSpan
from vla_core.errors import InvalidDataError


def header_to_json(episode: Episode) -> str:
    """Return every field of `episode` but its streams as JSON."""
    header = {
        field.name: getattr(episode, field.name)
        for field in fields(episode) if field.name != 'streams'}
    header['subtasks'] = [asdict(span) for span in episode.subtasks]
    header['interventions'] = [asdict(span) for span in episode.interventions]
    header['questions'] = [asdict(question) for question in episode.questions]
    header['meta'] = dict(episode.meta)
    return json.dumps(header, sort_keys=True, default=_plain)


def header_from_json(text: str, streams: Mapping[str, Stream]) -> Episode:
    """Return the episode of a header and its streams; raise InvalidDataError for another text."""
    try:
        header = json.loads(text)
        header['subtasks'] = tuple(SubtaskSpan(**span) for span in header['subtasks'])
        header['interventions'] = tuple(
            Intervention(**span) for span in header['interventions'])
        header['questions'] = tuple(
            Question(**question) for question in header.get('questions', ()))
        return Episode(**header, streams=streams)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise InvalidDataError(
            f'episode header: got {text[:80]!r} ({error}), allowed the JSON of an Episode'
        ) from error


def _plain(value: object) -> bool | int | float:
    if isinstance(value, np.generic):
        return value.item()
    raise InvalidDataError(
        f'episode meta: got {type(value).__name__}, allowed str, int, float or bool')
