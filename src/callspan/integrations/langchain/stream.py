"""What comes back piece by piece: how many pieces, when the first one came, and the text so far.

LangChain puts the pieces together itself and tells the whole at the end. The text is kept for the ends at which it
tells nothing, or not in all versions: a stream that fails, is cancelled or given up.
"""

from __future__ import annotations

from typing import Any

from callspan.capture.switch import STREAM_BYTES
from callspan.integrations.langchain.objects import Tree
from callspan.integrations.langchain.runs import Run


def note_piece(run: Run, piece: Any) -> None:
    """Take notice of one piece of a model's answer, which goes to the user next: so the span must not stay current."""
    span, stream = run.span, run.span.stream
    if stream is None:
        span.stream = (1, run.elapsed_ns())
        run.pieces, run.room = [], STREAM_BYTES
        run.leave_here()
    else:
        span.stream = (stream[0] + 1, stream[1])
    if type(piece) is str and run.room > 0 and run.pieces is not None:
        run.pieces.append(piece)
        run.room -= len(piece) + 8


def note_event(run: Run, event: Any) -> None:
    """Take notice of an event of an answer, which goes to the user next. A piece that was told as such comes before."""
    run.leave_here()
    if (
        type(event) is dict
        and event.get("event") == "content-block-delta"
        and (run.is_by_events or not run.span.stream)
    ):
        run.is_by_events = True
        delta = event.get("delta")
        note_piece(run, delta.get("text") if type(delta) is dict else None)


def answer_so_far(run: Run) -> Tree | None:
    """Return what had come when a stream ended early; None where that is nothing."""
    text = "".join(run.pieces or ())
    return {"type": "ai", "content": text} if text else None
