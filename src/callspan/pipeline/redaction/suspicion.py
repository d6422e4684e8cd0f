"""Tells quickly whether a span may hold media or a credential: most hold none, and then nobody has to go through them.

The contents of a span are written as JSON, which is one call into C, and the finders look at that. A key of a tree
stands there before a colon, a text between quotes, so what the gate would replace shows; what is found too much costs
only time. Messages of nothing but texts, which are most of what there is, follow as these texts alone: the keys around
them are always the same, and each colon that stands before a name takes time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from callspan.dialects.json_text import quick_json
from callspan.model.facts import Facts
from callspan.model.span import Span
from callspan.pipeline.redaction import element_secrets, flag_secrets, named_secrets, paired_secrets, secret_shapes
from callspan.pipeline.redaction.secret_names import verdict

Tree = dict[str, Any]

PLAIN: Final = frozenset(  # facts that hold numbers of ours, and no word of anybody's
    "usage truncated redacted_count step top_k dimensions server_port retries time_to_first_chunk_s chunk_count".split()  # noqa: SIM905
)
_PARAMETERS: Final = frozenset(  # names of the request that are no secrets, though they end like some
    """
    model temperature top_p top_k max_tokens stop_sequences frequency_penalty presence_penalty seed choice_count stream
    output_type encoding_formats reasoning_level previous_response_id service_tier api_type
    """.split()  # noqa: SIM905 - a list of words, not of quotation marks
)
CHECKED: Final = tuple(field.name for field in fields(Facts) if field.name not in PLAIN)
_ROLES: Final = frozenset(("system", "developer", "user", "assistant", "tool"))
_REASONS: Final = frozenset(("stop", "length", "tool_call", "content_filter"))
LONGEST: Final = 131_072  # bytes; more than that is looked at once, where it stands
_PAIR: Final = re.compile(rb'\["([ -!#-\[\]-~]{3,128})","')

_free: Final[Callable[[Facts], tuple[Any, ...]]] = attrgetter("input", "output", "extra", "metadata", "attributes")

values_of: Final[Callable[[Facts], tuple[Any, ...]]] = attrgetter(*CHECKED)
_MESSAGES: Final = ("system_instructions", "input_messages", "output_messages")
_others_of: Final[Callable[[Facts], tuple[Any, ...]]] = attrgetter(
    *(name for name in CHECKED if name not in ("request", "embeddings", *_MESSAGES))
)
_messages_of: Final[Callable[[Facts], tuple[Any, ...]]] = attrgetter(*_MESSAGES)


def contents_of(span: Span, facts: Facts) -> bytes | None:
    """Write all contents of a span, to look for something in it; None for what cannot be, or is very much."""
    if span.size > LONGEST:
        return None
    parts: list[Any] = [0, span.name, *filter(None, _others_of(facts))]
    plain = plain_parts(*_messages_of(facts))
    texts = None if plain is None else _joined_texts(plain)
    if texts is None:
        parts += _messages_of(facts)
    request, embeddings = facts.request, facts.embeddings
    if request:
        parts.append([*request.values()] if _PARAMETERS.issuperset(request) else request)
    if embeddings:
        parts += [{key: one[key] for key in one if key != "vector"} for one in embeddings]  # type: ignore[literal-required]
    if span.error is not None or span.status_message:
        parts += (span.status_message, span.error and span.error.message)
    if span.events:
        parts += [(event.name, event.attributes) for event in span.events]
    if span.links:
        parts += [link.attributes for link in span.links]
    written = quick_json(parts)
    if written is not None and texts:
        written = b"\x00".join((written, texts))
    return None if written is None or len(written) > LONGEST else written


def plain_parts(
    instructions: list[Tree] | None, asked: list[Tree] | None, answered: list[Tree] | None
) -> list[Tree] | None:
    """Return the parts of some messages; None where their texts are not all that could be a secret, or a medium."""
    try:
        parts = [*(instructions or ())]
        for message in (*(asked or ()), *(answered or ())):
            if message["role"] not in _ROLES:
                return None
            if len(message) != 2 and (len(message) != 3 or message["finish_reason"] not in _REASONS):
                return None
            parts += message["parts"]
        for part in parts:
            if part["type"] != "text" or len(part) != 2 or type(part["content"]) is not str:
                return None
    except (KeyError, TypeError):
        return None
    return parts


def _joined_texts(parts: list[Tree]) -> bytes | None:
    try:
        return "\x00".join([part["content"] for part in parts]).encode()
    except UnicodeEncodeError:
        return None


def may_hold_media(contents: bytes | None) -> bool:
    """Return False only when there are no media in base64. `rfind`: it takes half of what `find` takes here."""
    if contents is None or contents.rfind(b"base64") >= 0:
        return True
    texts = contents.find(b"\x00")  # what follows is no part of a message that could be one
    end = texts if texts >= 0 else len(contents)
    return (
        contents.rfind(b'"blob"', 0, end) >= 0
        or contents.rfind(b'"data":"', 0, end) >= 0
        or contents.rfind(b'"b64_json":"', 0, end) >= 0
    )


def may_hold_credentials(facts: Facts, contents: bytes | None) -> bool:
    """Return False only when the default rules would replace nothing in a span of these contents."""
    return (
        contents is None
        or named_secrets.holds_name(contents, verdict)
        or next(paired_secrets.find(contents, verdict), None) is not None
        or next(flag_secrets.find(contents, verdict), None) is not None
        or next(element_secrets.find(contents, verdict), None) is not None
        or next(secret_shapes.find(contents), None) is not None
        or (any(_free(facts)) and _holds_pair(contents))
    )


def _holds_pair(written: bytes) -> bool:
    """Look for `["authorization","…"]`: headers are often given as pairs."""
    return written.rfind(b'["') >= 0 and any(
        verdict(found[1].decode()) == "secret" for found in _PAIR.finditer(written)
    )
