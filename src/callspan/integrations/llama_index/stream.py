"""What comes out piece by piece: a model's stream, the text of a streamed query, a streamed chat.

LlamaIndex leaves the span at once and hands out an object whose contents are still to come. Ours stays open until they
have come, or are given up: a model's stream is told of by events, of a streamed query the generator inside the
response is followed, and a streamed chat ends when LlamaIndex has written it to the memory.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Final

from callspan.capture.generators import follow, is_generator, lazy_bodies
from callspan.capture.streams import StreamWatch
from callspan.capture.switch import STREAM_BYTES
from callspan.integrations.llama_index.frames import Frame
from callspan.integrations.llama_index.request import fields_of
from callspan.integrations.llama_index.response import answer_tree
from callspan.model.span import Span

_STREAMED: Final = frozenset(("StreamingResponse", "AsyncStreamingResponse"))
_CHAT: Final = "StreamingAgentChatResponse"

Forget = Callable[[Frame], None]


def is_streamed(result: Any) -> bool:
    """Return whether what a span left with is still to come."""
    return is_generator(result) or _shape_of(result) != ""


def keep_open(frame: Frame, result: Any, forget: Forget) -> bool:
    """Keep a span open until its result has come; False where the result is there, or cannot be followed.

    `forget` is called with the frame when its span ends.
    """
    shape = _shape_of(result)
    if type(frame.span) is not Span:  # below it nothing is recorded, later neither
        generator = vars(result).get("response_gen") if shape else result
        if is_generator(generator):
            lazy_bodies.add(generator, frame)
        return False
    if shape == _CHAT:
        _keep_chat(frame, result, forget)
        return True
    if shape:
        return _keep_response(frame, vars(result), "response_gen", forget)
    if not is_generator(result) or frame.word != "llm":
        return False
    lazy_bodies.add(result, frame)
    frame.watch = StreamWatch(frame.call, Answer(frame, forget))
    frame.watch.is_teed = True
    frame.watch.end_when_dropped(result)
    return True


def _shape_of(result: Any) -> str:
    kind = type(result)
    if kind.__name__ == _CHAT or kind.__name__ in _STREAMED:
        return kind.__name__ if kind.__module__.startswith("llama_index.") else ""
    return ""


def _keep_response(frame: Frame, fields: dict[str, Any], name: str, forget: Forget) -> bool:
    """Follow the generator in a response: nobody has seen it yet, so that another one of its kind can stand there."""
    generator = fields.get(name)
    if not is_generator(generator):
        return False
    frame.watch = StreamWatch(frame.call, Texts(frame, forget))
    fields[name] = followed = follow(generator, frame.watch)
    lazy_bodies.add(followed, frame)  # not the one inside, which may be a model's own stream
    return True


def _keep_chat(frame: Frame, response: Any, forget: Forget) -> None:
    """Wait until the chat is written to the memory; where nobody writes it, until it is read."""
    fields = vars(response)
    if fields.get("is_writing_to_memory") is False:
        for name in ("chat_stream", "achat_stream"):
            if _keep_response(frame, fields, name, forget):
                return
    frame.watch = StreamWatch(frame.call, Chat(frame, response, forget))
    frame.watch.end_when_dropped(response)
    if frame.source is not None:  # the writer was faster
        end_chat(frame, frame.writer_error)


def end_chat(frame: Frame, error: BaseException | None) -> None:
    """End the span of a chat that has been written, or could not be."""
    frame.source, frame.writer_error = frame.worker, error
    if frame.watch is not None:
        if error is None:
            frame.watch.finish()
        else:
            frame.watch.fail(error)


class Answer:
    """Collects a model's stream: each piece holds all that came before, so the last one is the answer."""

    __slots__ = ("_forget", "_frame", "_is_told", "_last")

    def __init__(self, frame: Frame, forget: Forget) -> None:
        """Collect for the span of a model's call."""
        self._frame: Frame | None = frame
        self._is_told = False
        self._forget = forget
        self._last: Any = None

    def add(self, response: Any) -> None:
        """Hold the latest piece."""
        self._last = response

    def compact(self) -> None:
        """Do nothing: only one is held."""

    def is_complete(self) -> bool:
        """Return whether nothing is known to be missing: a model may tell of its answer by no event at all."""
        return not self._is_told

    def close(self, span: Span) -> None:
        """Freeze the answer."""
        frame, self._frame = self._frame, None
        if frame is not None:
            self._is_told = frame.source is not None
            span.set_output({**answer_tree(self._last), **(frame.answer or {})})
            _let_go(frame, self._forget)


class Texts:
    """Collects the texts of a streamed response, up to a bound."""

    __slots__ = ("_cut", "_forget", "_frame", "_size", "_texts")

    def __init__(self, frame: Frame, forget: Forget) -> None:
        """Collect for the span of a query, a synthesizer or a chat."""
        self._frame: Frame | None = frame
        self._forget = forget
        self._texts: list[str] = []
        self._size = self._cut = 0

    def add(self, chunk: Any) -> None:
        """Take a text, or what is new in a chat response."""
        text = chunk if type(chunk) is str else fields_of(chunk).get("delta")
        if type(text) is not str:
            return
        if self._size > STREAM_BYTES:
            self._cut += len(text)
            return
        self._size += len(text)
        self._texts.append(text)

    def compact(self) -> None:
        """Do nothing: what is kept is bounded."""

    def is_complete(self) -> bool:
        """Return False: the end of a text says nothing of its own."""
        return False

    def close(self, span: Span) -> None:
        """Keep the whole text."""
        frame, self._frame = self._frame, None
        if frame is not None:
            span.set_output("".join(self._texts))
            if self._cut:
                span.truncated = {**(span.truncated or {}), "output": self._size + self._cut}
            _let_go(frame, self._forget)


class Chat:
    """Waits for a chat that LlamaIndex writes to the memory, and then takes its text from the response."""

    __slots__ = ("_forget", "_frame", "_response")

    def __init__(self, frame: Frame, response: Any, forget: Forget) -> None:
        """Hold the response weakly: when it is dropped, nobody will write it."""
        self._frame: Frame | None = frame
        self._forget = forget
        self._response = weakref.ref(response)

    def add(self, chunk: Any) -> None:
        """Do nothing: nobody passes chunks on."""

    def compact(self) -> None:
        """Do nothing."""

    def is_complete(self) -> bool:
        """Return False."""
        return False

    def close(self, span: Span) -> None:
        """Take the text."""
        frame, self._frame = self._frame, None
        response = self._response()
        if frame is not None:
            if response is not None:
                fields = fields_of(response)
                span.set_output(fields.get("response") or fields.get("unformatted_response"))
            _let_go(frame, self._forget)


def _let_go(frame: Frame, forget: Forget) -> None:
    lazy_bodies.forget(frame)
    forget(frame)
