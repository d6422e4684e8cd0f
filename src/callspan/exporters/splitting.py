"""Batches as requests of bounded size: split before they are sent, and again where a receiver finds them too large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from callspan.exporters.answers import Receipt
from callspan.exporters.contract import Batch, ExportResult
from callspan.exporters.outcomes import Answer
from callspan.exporters.shrinking import shrink
from callspan.guard import guard
from callspan.model.resource import Resource
from callspan.model.span import Span

MAX_REQUEST_BYTES: Final = 5 * 1_048_576
_LEAST_REQUEST_BYTES: Final = 65_536

Encode = Callable[[Sequence[Span], Resource], bytes]
"""Writes one request."""

Post = Callable[[bytes], Answer]
"""Sends one request."""

Read = Callable[[Answer, int], Receipt]
"""Reads the answer to a request of so many spans that was taken."""


class UnwritableError(Exception):
    """A request cannot be written, and it is not our fault; the text says why, in constant words."""


class Splitter:
    """Sends each batch in as few requests as the limits allow.

    A request above `max_bytes`, before compression, is halved and never sent; so is one that the receiver finds too
    large, and the limit is then lower for all that come. A single span that is too large loses its largest values; if
    that does not help, or there are none, it is rejected.
    """

    def __init__(self, encode: Encode, post: Post, read: Read, max_bytes: int = MAX_REQUEST_BYTES) -> None:
        """Write with `encode`, send with `post`, and understand with `read`."""
        self._encode = encode
        self._post = post
        self._read = read
        self._max_bytes = self._limit = max_bytes

    def deliver(self, batch: Batch) -> ExportResult:
        """Send every span once. When a request is to be retried, so are all spans after it, which are not sent."""
        spans, result = batch.spans, ExportResult()
        parts = self._parts(spans)[::-1]
        while parts:
            start, stop = parts.pop()
            answer = self._send(spans[start:stop], batch.resource)
            if answer.verdict == "too large":
                middle = (start + stop) // 2
                parts += ((middle, stop), (start, middle))
            elif answer.verdict == "retry":
                result.retry, result.retry_after_s, result.reason = spans[start:], answer.retry_after_s, answer.reason
                break
            else:
                self._settle(answer, stop - start, result)
        return result

    def _parts(self, spans: Sequence[Span]) -> list[tuple[int, int]]:
        """Divide the spans by what they held in the queue, so that hardly anything is encoded in vain."""
        parts: list[tuple[int, int]] = []
        start = size = 0
        for index, span in enumerate(spans):
            if index > start and size + span.size > self._limit:
                parts.append((start, index))
                start, size = index, 0
            size += span.size
        if spans:
            parts.append((start, len(spans)))
        return parts

    def _send(self, spans: Sequence[Span], resource: Resource) -> Answer:
        """Send one request; "too large" is only ever said of several spans."""
        if len(spans) == 1:
            return self._send_single(spans[0], resource)
        try:
            body = self._encode(spans, resource)
        except Exception:  # noqa: BLE001 - one odd span must not cost the others: halving finds it
            return Answer("too large")
        if len(body) > self._limit:
            return Answer("too large")
        answer = self._post(body)
        if answer.verdict == "too large":
            self._limit = max(min(self._limit, len(body) // 2), _LEAST_REQUEST_BYTES)
        return answer

    def _send_single(self, span: Span, resource: Resource) -> Answer:
        answer = self._send_whole(span, resource)
        if answer.verdict == "too large" and (lean := shrink(span)) is not None:
            answer = self._send_whole(lean, resource)
        return Answer("rejected", "span too large") if answer.verdict == "too large" else answer

    def _send_whole(self, span: Span, resource: Resource) -> Answer:
        try:
            body = self._encode([span], resource)
        except UnwritableError as error:
            return Answer("rejected", str(error))
        except Exception as error:  # noqa: BLE001 - counted as rejected
            guard.note("encoding a span", error)
            return Answer("rejected", "a span cannot be encoded")
        return Answer("too large") if len(body) > self._max_bytes else self._post(body)

    def _settle(self, answer: Answer, count: int, result: ExportResult) -> None:
        if answer.verdict == "rejected":
            result.rejected += count
            result.reason = answer.reason
            return
        receipt = self._read(answer, count)
        result.delivered += count - receipt.rejected
        result.rejected += receipt.rejected
        result.suspicious += receipt.is_suspicious
        if receipt.rejected:
            result.reason = "partial success"
