"""Feedback: a span of its own below the one it is about, given at once or days later, here or in another process."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from callspan.capture.checks import check_conversation, plain
from callspan.capture.switch import switch
from callspan.errors import ConfigurationError
from callspan.guard import guard
from callspan.model.facts import MISSING
from callspan.model.feedback import COMPONENT, Feedback, FeedbackTarget
from callspan.recording.sites import Site

if TYPE_CHECKING:
    from callspan.model.facts import Facts
    from callspan.model.span import Span
    from callspan.recording.recorder import Recorder

_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?", re.ASCII)
_TARGETS: Final = "a span, traceparent=, trace_id=, conversation= or key="


class About(NamedTuple):
    """What feedback is about. Zero stands for an ID that is not known; then nothing can be written."""

    target: FeedbackTarget
    trace_id: int = 0
    span_id: int = 0
    conversation_id: str | None = None
    step: int | None = None
    key: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether there is anything to refer to: without recording, `current_span()` has no IDs."""
        return bool(self.trace_id) if self.target in ("span", "trace") else True


def feedback(
    span: Any = None,
    *,
    name: str,
    score: float | None = None,
    label: str | None = None,
    comment: str | None = None,
    annotator: str = "human",
    idempotency_key: str | None = None,
    traceparent: str | None = None,
    trace_id: str | int | None = None,
    span_id: str | int | None = None,
    conversation: str | None = None,
    step: int | None = None,
    key: str | Mapping[str, str | int] | None = None,
) -> None:
    """Record what somebody thinks of a call, now or later: `callspan.feedback(span, name="helpful", score=1)`.

    What it is about is exactly one of
        span: a span of callspan or OpenTelemetry, or a `SpanRecord` that was read from a file;
        traceparent: the header of that name, as `callspan.inject` writes it, which a browser can keep;
        trace_id: 32 hexadecimal digits or a number, the whole trace; with `span_id` (16 digits) one span of it;
        conversation: a conversation's ID; with `step` one turn of it;
        key: a tag of a span, or a name and a value in its metadata, such as `{"order": "A-17"}`.
    At least one of score (a number; by convention 0 is bad, 1 good), label and comment says what is thought of it.
    annotator: "human", "llm", "code", or who it was.
    idempotency_key: feedback with the same key, name and target counts once, and the last one wins.

    It passes redaction, and is never sampled out. User, tags and metadata are those that `context()` set around it.
    Nothing happens while callspan is off, inside `suppress()`, and for a span without IDs. Raises `ConfigurationError`
    for arguments that cannot be meant, and nothing else.

    >>> feedback(conversation="c-42", step=2, name="helpful", score=1, comment="That was it.")
    """
    about = _about(span, traceparent, trace_id, span_id, conversation, step, key)
    given = _checked(name, score, label, comment, annotator, idempotency_key)
    recorder = switch.recorder
    if recorder is None:
        return
    if not about.is_known:
        guard.count("feedback without a span")
        return
    try:
        _record(recorder, about, given)
    except Exception as error:  # noqa: BLE001 - we are on the user's thread
        guard.note("recording feedback", error)


def _read(_: Span, facts: Facts) -> None:
    """Turn the snapshot into the fact, in the worker."""
    facts.feedback = Feedback(**facts.input)
    facts.input = MISSING


_SITE: Final = Site("feedback", "evaluator", component=COMPONENT, reader=_read)


def _record(recorder: Recorder, about: About, given: dict[str, Any]) -> None:
    from callspan.recording import otel  # noqa: PLC0415 - loaded, since the switch is on

    here = otel.get_context()
    if any(here.get(key) for key in otel.SUPPRESS_KEYS):
        return
    random_id = recorder.ids.span_id()
    own_id = _id_of(about, given) if given["id"] is not None else random_id
    trace_id = about.trace_id or (_id_of(about, given, 16) if given["id"] is not None else recorder.ids.trace_id())
    # Below a span of another process, which is sampled: so it is recorded whatever the rate is.
    opened = recorder.open(_SITE, otel.parent_context(trace_id, about.span_id or own_id))
    if opened is None:
        return
    span = opened[0]
    span.name = f"feedback {given['name']}"
    span.span_id, span.parent_id = own_id, about.span_id or None
    span.scope = _scope(here.get(otel.SCOPE_KEY), about)
    span.input = recorder.freeze(span, "feedback", {**given, "target": about.target, "key": about.key})
    recorder.start(span)
    recorder.seal(span, span.start_ns)


def _scope(around: Any, about: About) -> Any:
    """Return user, tags and metadata of where the feedback is given, in the conversation it is about."""
    from callspan.recording.scope import EMPTY_SCOPE, Scope  # noqa: PLC0415

    outer = around or EMPTY_SCOPE
    return Scope(about.conversation_id, about.step, outer.user_id, outer.tags, outer.metadata)


def _id_of(about: About, given: dict[str, Any], size: int = 8) -> int:
    """Return an ID that the same feedback has again, so that backends keep one of them."""
    told = "\0".join(map(str, (*about, given["name"], given["id"])))
    return int.from_bytes(hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest()[:size], "big") or 1


def _checked(name: Any, score: Any, label: Any, comment: Any, annotator: Any, idempotency_key: Any) -> dict[str, Any]:
    texts = {"name": name, "label": label, "comment": comment, "annotator": annotator, "id": idempotency_key}
    for field, value in texts.items():
        is_optional = field not in ("name", "annotator")
        if not (isinstance(value, str) and value) and not (is_optional and value is None):
            shown = "idempotency_key" if field == "id" else field
            raise ConfigurationError(shown, value, "give a string that is not empty")
    if score is not None and not _is_finite(score):
        raise ConfigurationError("score", score, "give a finite number, a bool or None")
    if score is None and label is None and comment is None:
        raise ConfigurationError("score", score, "give a score, a label or a comment")
    told = {field: None if value is None else plain(value) for field, value in texts.items()}
    return {**told, "score": None if score is None else float(score)}


def _is_finite(score: Any) -> bool:
    try:
        return isinstance(score, Real) and math.isfinite(score)
    except OverflowError:  # a whole number that no float can be
        return False


def _about(span: Any, traceparent: Any, trace_id: Any, span_id: Any, conversation: Any, step: Any, key: Any) -> About:
    given = [value for value in (span, traceparent, trace_id, conversation, key) if value is not None]
    if len(given) != 1:
        raise ConfigurationError("span", span, f"give exactly one of {_TARGETS}; got {len(given) or 'none'} of them")
    if span_id is not None and trace_id is None:
        raise ConfigurationError("span_id", span_id, "give trace_id= with it")
    if step is not None and conversation is None:
        raise ConfigurationError("step", step, "give conversation= with it")
    if span is not None:
        return _about_span(span)
    if traceparent is not None:
        return _about_traceparent(traceparent)
    if trace_id is not None:
        found = _hex("trace_id", trace_id, 32)
        return About("trace", found) if span_id is None else About("span", found, _hex("span_id", span_id, 16))
    if conversation is not None:
        return About("conversation", conversation_id=check_conversation(conversation, step), step=step)
    return About("key", key=_key(key))


def _about_span(span: Any) -> About:
    try:
        scope = getattr(span, "scope", None)  # of a span of ours, which knows its conversation
        place = (getattr(scope, "conversation_id", None), getattr(scope, "step", None))
        if isinstance(getattr(span, "trace_id", None), str):  # a SpanRecord
            return About("span", int(span.trace_id, 16), int(span.span_id, 16), span.conversation_id, span.step)
        context = span.get_span_context()
        return About("span", int(context.trace_id), int(context.span_id), *place)
    except Exception:  # noqa: BLE001 - whatever it is, it is no span
        raise ConfigurationError("span", span, f"give {_TARGETS}") from None


def _about_traceparent(traceparent: Any) -> About:
    match = _TRACEPARENT.fullmatch(traceparent.strip().lower()) if isinstance(traceparent, str) else None
    if match is None or not int(match[1], 16) or not int(match[2], 16):
        raise ConfigurationError("traceparent", traceparent, "give the header as inject() writes it: 00-<32>-<16>-01")
    return About("span", int(match[1], 16), int(match[2], 16))


def _hex(field: str, value: Any, digits: int) -> int:
    if type(value) is int and 0 < value < 16**digits:
        return value
    if isinstance(value, str) and re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", value) and int(value, 16):
        return int(value, 16)
    raise ConfigurationError(field, value, f"give {digits} hexadecimal digits, not all zero, or a number")


def _key(key: Any) -> str:
    """Return a business key as it is compared: a tag as it is, a name with its value as `name=value`."""
    if isinstance(key, str) and key:
        return plain(key)
    if isinstance(key, Mapping) and len(key) == 1:
        ((name, value),) = key.items()
        if isinstance(name, str) and isinstance(value, str | int):
            return f"{plain(name)}={plain(value) if isinstance(value, str) else value}"
    raise ConfigurationError("key", key, 'give a tag, or one name with its value, as in key={"order": "A-17"}')
