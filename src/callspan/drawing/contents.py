"""What went in and came out of a span, below its line in the tree: `callspan view --io`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from callspan.drawing import figures
from callspan.drawing.terminal import Piece, Terminal
from callspan.drawing.text import pad, width_of, wrap
from callspan.reading.texts import document_text, joined, pairs, part_text, show

if TYPE_CHECKING:
    from callspan.model.record import FeedbackRecord, SpanRecord

Entry = tuple[str, str, str]
"""A label, the style of the label, and a text of any length."""
Tree = dict[str, Any]

_LABEL_WIDTH: Final = 12
_MIN_TEXT: Final = 32  # with less room, the label stands above its text
_SHORT_LINES: Final = 12
_IN: Final = "cyan"
_OUT: Final = "green"
_ASIDE: Final = "dim"


def contents(
    record: SpanRecord, terminal: Terminal, width: int, *, full: bool, first: SpanRecord | None = None
) -> Iterator[list[Piece]]:
    """Yield the lines that show a record, at most `width` columns wide; long texts are cut unless `full`.

    User, tags and metadata are left out where they are those of `first`, the record shown first of the same trace.
    """
    for label, style, text in _entries(record, first):
        yield from _entry(label, style, terminal.clean(text), terminal, width, full=full)


def _entry(label: str, style: str, text: str, terminal: Terminal, width: int, *, full: bool) -> Iterator[list[Piece]]:
    beside = width - _LABEL_WIDTH >= _MIN_TEXT
    indent = _LABEL_WIDTH if beside else 2
    label = terminal.one_line(label)
    room = width - indent
    lines, rest = (wrap(text, room), 0) if full else _first_lines(text, room)
    if not beside:
        yield [(terminal.cut(label, width), style)]
    elif width_of(label) >= indent:
        yield [(terminal.cut(label, width), style)]
        label = ""
    for index, line in enumerate(lines):
        first = beside and index == 0
        yield [(pad(label, indent) if first else " " * indent, style), (line, _ASIDE if style == _ASIDE else "")]
    if rest > 0:
        more = f"{terminal.glyphs.ellipsis} {figures.things(rest, 'more character')} (--full)"
        yield [(" " * indent, ""), (terminal.cut(more, room), _ASIDE)]


def _first_lines(text: str, room: int) -> tuple[list[str], int]:
    """Wrap the beginning of a text; return it with the number of characters that are left."""
    # More than enough to fill the lines: a text of a megabyte is not wrapped to show its first dozen.
    lines = wrap(text[: room * _SHORT_LINES * 2], room)[:_SHORT_LINES]
    end = 0
    for line in lines:
        end = text.index(line, end) + len(line)
    return lines, len(text[end:].strip())


def _entries(record: SpanRecord, first: SpanRecord | None) -> Iterator[Entry]:
    yield from _prompts(record)
    yield from _inputs(record)
    yield from _outputs(record)
    yield from _asides(record)
    yield from _scope(record, first)
    yield from _marks(record)


def _prompts(record: SpanRecord) -> Iterator[Entry]:
    for prompt in record.prompts:
        named = " ".join(word for word in (prompt.name, prompt.version) if word)
        yield "prompt", _IN, joined(named, prompt.template or "")
        if prompt.variables:
            yield "with", _IN, "\n".join(f"{name} = {show(value)}" for name, value in prompt.variables.items())


def _inputs(record: SpanRecord) -> Iterator[Entry]:
    for part in record.system_instructions or ():
        yield "system", _IN, part_text(part)
    for message in record.input_messages or ():
        yield from _message(message, _IN)
    if record.query is not None:
        yield "query", _IN, record.query + (f"\ntop {record.top_k}" if record.top_k is not None else "")
    for document in record.input_documents or ():
        yield "candidate", _IN, document_text(document)
    if record.input is not None:
        yield "arguments" if record.kind == "tool" else "input", _IN, show(record.input)


def _outputs(record: SpanRecord) -> Iterator[Entry]:
    for message in record.output_messages or ():
        yield from _message(message, _OUT)
    if record.documents is not None and not record.documents:
        yield "documents", _OUT, "none found"
    for number, document in enumerate(record.documents or (), start=1):
        yield f"document {number}", _OUT, document_text(document)
    for embedding in record.embeddings or ():
        yield "embedding", _OUT, embedding_text(embedding)
    if record.feedback is not None:
        yield "feedback", _OUT, feedback_text(record.feedback)
    if record.output is not None:
        yield "result" if record.kind == "tool" else "output", _OUT, show(record.output)


def _asides(record: SpanRecord) -> Iterator[Entry]:
    """Yield what stands around the call."""
    request = {name: value for name, value in record.request.items() if name != "model"}
    told = {
        "parameters": request,
        "tools": [tool.get("name") for tool in record.tool_definitions or ()],
        "tool": _tool(record),
        "finished": record.finish_reasons,
        "first chunk": _stream(record),
        "tokens": _token_details(record),
    }
    yield from _one_line_each(told)


def _scope(record: SpanRecord, first: SpanRecord | None) -> Iterator[Entry]:
    told = {"user ID": record.user_id, "tags": record.tags, "metadata": record.metadata}
    known = {} if first is None else {"user ID": first.user_id, "tags": first.tags, "metadata": first.metadata}
    yield from _one_line_each({label: value for label, value in told.items() if value != known.get(label)})


def _marks(record: SpanRecord) -> Iterator[Entry]:
    told = {
        "attributes": record.attributes,
        "events": [event.name for event in record.events],
        "cut off": {name: figures.things(size, "byte") for name, size in record.truncated.items()},
        "redacted": record.redacted_count,
    }
    yield from _one_line_each(told)


def _one_line_each(told: Tree) -> Iterator[Entry]:
    for label, value in told.items():
        if value:
            yield label, _ASIDE, pairs(value)


def _tool(record: SpanRecord) -> Tree:
    if record.tool is None:
        return {}
    told = {"name": record.tool.name if record.tool.name != record.name else None, "call": record.tool.call_id}
    return {name: value for name, value in told.items() if value}


def _stream(record: SpanRecord) -> str:
    if record.time_to_first_chunk_s is None:
        return ""
    after = f"after {figures.duration(int(record.time_to_first_chunk_s * 1e9))}"
    return after if record.chunk_count is None else f"{after}, {figures.things(record.chunk_count, 'chunk')}"


def _token_details(record: SpanRecord) -> Tree:
    usage = record.usage
    if usage is None:
        return {}
    details = {
        "read from cache": usage.cache_read_tokens,
        "written to cache": usage.cache_write_tokens,
        "reasoning": usage.reasoning_tokens,
        "audio in": usage.audio_input_tokens,
        "audio out": usage.audio_output_tokens,
    }
    return {name: number for name, number in details.items() if number}


def _message(message: Tree, style: str) -> Iterator[Entry]:
    role = str(message.get("role") or "message")
    label = f"{role} {message['name']}" if message.get("name") else role
    parts = message.get("parts")
    for part in parts if isinstance(parts, list) else ():
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "tool_call":
            yield "calls", style, part_text(part)
        elif kind == "reasoning":
            yield "thinks", style, part_text(part)
        else:
            yield label, style, part_text(part)


def feedback_text(feedback: FeedbackRecord) -> str:
    """Return a piece of feedback: what was thought and by whom, and below it the comment.

    >>> from callspan.model.record import FeedbackRecord
    >>> feedback_text(FeedbackRecord(name="helpful", score=0.5, label="up"))
    'helpful 0.5 up, by human'
    """
    told = [feedback.name, None if feedback.score is None else f"{feedback.score:g}", feedback.label]
    about = f" on {feedback.key}" if feedback.key else ""
    return joined(" ".join(word for word in told if word) + f"{about}, by {feedback.annotator}", feedback.comment or "")


def embedding_text(embedding: Tree) -> str:
    """Return an embedded text and the beginning of its vector."""
    vector = embedding.get("vector")
    if isinstance(vector, list):
        begin = ", ".join(f"{number:.3g}" if isinstance(number, int | float) else str(number) for number in vector[:4])
        measured = f"[{begin}{', ' if len(vector) > 4 else ''}{'...' if len(vector) > 4 else ''}] {len(vector)} numbers"
    else:
        measured = f"vector {embedding['vector_hash']}" if "vector_hash" in embedding else ""
    return joined(show(embedding.get("text", "")), measured)
