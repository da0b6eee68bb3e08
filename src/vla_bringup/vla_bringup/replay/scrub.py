"""Cut an episode out of a long bag: the messages of one subtask's span, as a bag of its own.

Messages go from file to file one by one. Before the span come what was latched (TF of fixed
links, the robot's description) and a tenth of a second of everything but pictures, so that
numbers can be interpolated at the first instant.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from vla_bringup.replay.bag_source import find_bag, header_in
from vla_bringup.replay.run import ReplayConfig
from vla_core.episode import Episode, SubtaskSpan
from vla_core.errors import InvalidDataError
from vla_recorder.bag.folder import Bag
from vla_recorder.bag.images import COMPRESSED, IMAGE
from vla_recorder.bag.message import channel_metadata, takes_of
from vla_recorder.bag.out import BagOut, COPY, HEADER, OPENING
from vla_recorder.bag.source import Message, Topic
from vla_recorder.bag.topic_map import open_bag
from vla_recorder.bag.types import standard_definition

LATCHED = ('tf_static', 'robot_description')
LEAD_NS = 100_000_000
_ABOUT_ALL = ('cadence', 'dropped_messages')  # of the meta; not true of a part


@dataclass(frozen=True)
class Cut:
    """A bag that was cut out."""

    path: Path
    span: SubtaskSpan
    messages: int

    def __str__(self) -> str:
        seconds = (self.span.end_ns - self.span.start_ns) * 1e-9
        return f'{self.path}: {self.span.text!r}, {seconds:.2f} s, {self.messages} messages'


def scrub(config: ReplayConfig, text: str, index: int | None, out: Path) -> list[Cut]:
    """Write the spans of subtask `text`, or the one of `index`, as bags below `out`.

    Raises InvalidDataError that lists the subtasks there are.
    """
    path = find_bag(config.bag, config.episode)
    with closing(Bag(path)) as bag:
        header = header_in(bag)
        spans = _choose(path, _spans(path, header, config), text, index)
        return [_cut(bag, header, span, number, out) for number, span in spans]


def _spans(path: Path, header: Episode | None, config: ReplayConfig) -> Sequence[SubtaskSpan]:
    if header is not None:
        return header.subtasks
    if config.topic_map is None:
        raise InvalidDataError(
            f'{path}: got a bag that tells no subtasks, allowed one of ours, or with --map')
    with closing(open_bag(path, config.topic_map)) as mapped:
        return [span for row in range(len(mapped)) for span in mapped.read(row).subtasks]


def _choose(
    path: Path, spans: Sequence[SubtaskSpan], text: str, index: int | None,
) -> list[tuple[int, SubtaskSpan]]:
    found = list(enumerate(span for span in spans if span.text == text))
    if not found:
        known = ', '.join(repr(name) for name in dict.fromkeys(s.text for s in spans)) or 'none'
        raise InvalidDataError(f'{path}: got no subtask {text!r}, allowed {known}')
    if index is None:
        return found
    if not 0 <= index < len(found):
        raise InvalidDataError(
            f'--index: got {index}, allowed 0 to {len(found) - 1}: {text!r} was pursued '
            f'{len(found)} times')
    return found[index:index + 1]


def _cut(bag: Bag, header: Episode | None, span: SubtaskSpan, number: int, out: Path) -> Cut:
    written = BagOut(out, COPY, compress=True)
    try:
        channels: dict[str, int] = {}
        for stamp_ns, message in _within(bag, span):
            if message.topic not in channels:
                channels[message.topic] = _declare(written, bag.topics[message.topic])
            written.bag.add(channels[message.topic], stamp_ns, bytes(message.data))
        if bag.problems:
            raise InvalidDataError(bag.problems[0])
        if not channels:
            raise InvalidDataError(
                f'{bag.path}: got no message in the span of {span.text!r}, allowed one or more')
        if header is not None:
            written.add_header(_header(header, span, number))
        messages = written.bag.contents.messages
        return Cut(written.publish(), span, messages)
    except BaseException:
        written.discard()
        raise


def _within(bag: Bag, span: SubtaskSpan) -> Iterator[tuple[int, Message]]:
    """Yield the messages of a span with the instant to log them at [ns]."""
    pictures = {name for name, topic in bag.topics.items()
                if topic.type_name in (IMAGE, COMPRESSED)}
    latched = {name for name in bag.topics if name.rsplit('/', 1)[-1] in LATCHED}
    for message in bag.messages([n for n in bag.topics if n not in (HEADER, OPENING)]):
        lead_ns = 0 if message.topic in pictures else LEAD_NS
        begin_ns = span.start_ns - lead_ns
        if message.topic in latched and message.log_ns < begin_ns:
            yield begin_ns, message
        elif begin_ns <= message.log_ns <= span.end_ns:
            yield message.log_ns, message


def _declare(out: BagOut, topic: Topic) -> int:
    """Announce a topic as it was, with the streams that a bag of ours says it carries."""
    definition = topic.definition or standard_definition(topic.type_name)
    metadata = {**channel_metadata(topic.type_name, takes_of(topic.metadata)), **topic.metadata}
    return out.declare(topic.name, topic.type_name, definition, metadata)


def _header(header: Episode, span: SubtaskSpan, number: int) -> Episode:
    """Return what is known of the whole, cut to the span; its verdict was on all of it."""
    whole = len(header.subtasks) == 1
    meta = {key: value for key, value in header.meta.items() if key not in _ABOUT_ALL}
    return replace(
        header, episode_id=f'{header.episode_id[:110]}-part{number}', instruction=span.text,
        success=header.success if whole else None, subtasks=(span,),
        interventions=tuple(
            replace(one, start_ns=max(one.start_ns, span.start_ns),
                    end_ns=min(one.end_ns, span.end_ns))
            for one in header.interventions
            if one.start_ns <= span.end_ns and one.end_ns >= span.start_ns),
        questions=tuple(q for q in header.questions
                        if span.start_ns <= q.stamp_ns <= span.end_ns),
        meta={**meta, 'start_ns': span.start_ns, 'end_ns': span.end_ns,
              'cut_from': header.episode_id})
