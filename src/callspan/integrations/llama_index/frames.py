"""What is known of a span of the dispatcher while it is open, and where all of these are kept."""

from __future__ import annotations

from typing import Any, Final

from callspan.capture.call import Call
from callspan.capture.generators import lazy_bodies
from callspan.capture.streams import StreamWatch
from callspan.guard import guard
from callspan.integrations.llama_index.families import Plan

_KEPT: Final = 10_000


class Frame:
    """A span of the dispatcher that is recorded, or one that is not but says something for those below."""

    __slots__ = (
        "answer",
        "call",
        "call_id",
        "fed",
        "id",
        "instance",
        "is_streaming",
        "parent",
        "plan",
        "reading",
        "source",
        "span",
        "task",
        "watch",
        "worker",
        "writer_error",
    )

    def __init__(self, id_: str, call: Call, parent: Frame | None, plan: Plan, instance: Any) -> None:
        """Stand for the span `id_`; `call` is that of the nearest span that is recorded."""
        self.id = id_
        self.call = call
        self.span: Any = call.span
        self.parent = parent
        self.plan = plan
        self.instance = instance
        self.reading: Any = None  # of a model's call
        self.worker: str | None = None  # the span inside that really asks the model, or writes the streamed chat
        self.source: str | None = None  # the span whose events tell of the answer
        self.is_streaming = False  # the answer comes piece by piece, whatever the span itself returns
        self.answer: Any = None  # what the model said, in the end
        self.watch: StreamWatch | None = None  # while a result that is still to come keeps the span open
        self.fed: Frame | None = (
            None  # of a span that is kept as a detail: the frame that it would otherwise be part of
        )
        self.writer_error: BaseException | None = None
        self.call_id: Any = None  # of the model's call that a tool answers
        self.task: Any = None  # in which a workflow was started

    @property
    def word(self) -> str:
        """What family it is of."""
        return self.plan.family.word

    def is_below(self, other: Frame) -> bool:
        """Return whether this is `other` or stands below it."""
        frame: Frame | None = self
        while frame is not None:
            if frame is other:
                return True
            frame = frame.parent
        return False

    def above(self, *words: str) -> Frame | None:
        """Return this or the nearest frame above that is of one of these families."""
        frame: Frame | None = self
        while frame is not None and frame.word not in words:
            frame = frame.parent
        return frame


class Frames:
    """The frames of all spans that are open, by the dispatcher's IDs; spans that are passed over have their parent's.

    Every operation is atomic, so there is no lock that a fork or a finaliser could meet. Beyond the bound the oldest
    go: LlamaIndex has forgotten to end them, or is about to run out of memory itself.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        """Keep at most so many."""
        self._kept = kept
        self._by_id: dict[str, Frame] = {}

    def __len__(self) -> int:
        """Count them."""
        return len(self._by_id)

    def get(self, id_: str | None) -> Frame | None:
        """Return the frame of a span, if it is open."""
        return None if id_ is None else self._by_id.get(id_)

    def keep(self, id_: str, frame: Frame) -> None:
        """Remember the frame of a span."""
        by_id = self._by_id
        by_id[id_] = frame
        while len(by_id) > self._kept:
            try:
                oldest = next(iter(by_id))
                evicted = by_id.pop(oldest)
            except (KeyError, RuntimeError, StopIteration):  # another thread was there
                return
            if evicted.id == oldest:
                give_up(evicted)

    def holding(self, span: Any) -> Frame | None:
        """Return the frame of this very span, found by looking at all: for what is rare."""
        return next((frame for frame in [*self._by_id.values()] if frame.span is span), None)

    def spans(self) -> list[Any]:
        """Return the spans of all frames, the oldest first."""
        return [frame.span for frame in [*self._by_id.values()]]

    def pop(self, id_: str) -> Frame | None:
        """Forget a span and return its frame."""
        return self._by_id.pop(id_, None)

    def ids(self) -> list[str]:
        """Return the IDs of all spans that are open."""
        return [*self._by_id]


def give_up(frame: Frame) -> None:
    """End a span of which nobody will tell the end."""
    lazy_bodies.forget(frame)
    if not getattr(frame.span, "end_ns", 1):
        guard.count("span of llama_index evicted")
        frame.span.outcome = "incomplete"
        frame.span.end()
