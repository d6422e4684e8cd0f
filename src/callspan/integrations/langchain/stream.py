"""What comes back piece by piece: how many pieces, and when the first one came.

LangChain puts the pieces together itself and tells the whole at the end, or what there was of it when a stream fails or
is given up.
"""

from __future__ import annotations

from callspan.integrations.langchain.runs import Run


def note_piece(run: Run) -> None:
    """Take notice of one piece of a model's answer, which goes to the user next: so the span must not stay current."""
    span = run.span
    if span.stream is None:
        span.stream = (1, run.elapsed_ns())
        run.leave_here()
    else:
        span.stream = (span.stream[0] + 1, span.stream[1])
