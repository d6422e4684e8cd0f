from __future__ import annotations

import pytest

from callspan.exporters.answers import Receipt
from callspan.exporters.contract import Batch, ExportResult
from callspan.exporters.outcomes import Answer
from callspan.exporters.splitting import Splitter, UnwritableError
from callspan.guard import guard
from callspan.model.resource import Resource
from spans import finished

TAKEN = Answer("taken")
LIMIT = 100_000


def named(*names, **given):
    return [finished("chain", name, **given) for name in names]


class Wire:
    """Writes spans as their names and inputs, and answers by what stands in the request."""

    def __init__(self, answer=lambda body: TAKEN, read=lambda answer, count: Receipt()):
        self.requests = []
        self.encoded = 0
        self._answer = answer
        self.splitter = Splitter(self.encode, self.post, read, max_bytes=LIMIT)

    def encode(self, spans, resource):
        self.encoded += 1
        assert resource == Resource({"service.name": "shop"})
        for span in spans:
            if isinstance(span.facts.query, Exception):
                raise span.facts.query
        return ",".join(f"{span.name}{span.facts.input or ''}" for span in spans).encode()

    def post(self, body):
        self.requests.append(body)
        return self._answer(body)

    def deliver(self, spans):
        return self.splitter.deliver(Batch(spans, Resource({"service.name": "shop"})))


def test_a_batch_that_fits_is_one_request():
    wire = Wire()
    assert wire.deliver(named("a", "b", "c")) == ExportResult(delivered=3)
    assert wire.requests == [b"a,b,c"]


def test_nothing_is_no_request():
    wire = Wire()
    assert wire.deliver([]) == ExportResult()
    assert wire.requests == []


def test_a_batch_above_the_limit_is_halved_and_never_sent_whole():
    wire = Wire()
    spans = named("a", "b", "c", "d", input="x" * 40_000)
    assert wire.deliver(spans) == ExportResult(delivered=4)
    assert [body.replace(b"x", b"") for body in wire.requests] == [b"a,b", b"c,d"]
    assert max(map(len, wire.requests)) <= LIMIT


def test_the_size_in_the_queue_spares_encoding_in_vain():
    wire = Wire()
    spans = named(*"abcdefg", input="x" * 40_000)
    for span in spans:
        span.size = 40_000
    assert wire.deliver(spans) == ExportResult(delivered=7)
    assert [len(body) // 40_000 for body in wire.requests] == [2, 2, 2, 1]
    assert wire.encoded == 4


def test_a_request_that_is_too_large_for_the_receiver_is_halved_and_the_lesson_kept():
    wire = Wire(lambda body: Answer("too large", "HTTP 413") if len(body) > 70_000 else TAKEN)
    spans = named(*"abcd", input="x" * 20_000)
    assert wire.deliver(spans) == ExportResult(delivered=4)
    assert [len(body) // 20_000 for body in wire.requests] == [4, 2, 2]
    assert wire.deliver(spans) == ExportResult(delivered=4)
    assert [len(body) // 20_000 for body in wire.requests[3:]] == [2, 2]


def test_the_lesson_has_a_limit():
    wire = Wire(lambda body: Answer("too large", "HTTP 413"))
    wire.deliver(named(*"abcd", input="x" * 100))
    assert wire.splitter._limit == 65_536


def test_a_single_span_is_tried_whole_whatever_was_learnt():
    wire = Wire(lambda body: Answer("too large") if b"," in body else TAKEN)
    assert wire.deliver(named("a", "b", input="x" * 49_000)) == ExportResult(delivered=2)
    assert wire.deliver(named("a", input="x" * 90_000)) == ExportResult(delivered=1)
    assert len(wire.requests[-1]) == 90_001


def test_a_single_span_above_the_limit_loses_its_largest_values():
    wire = Wire()
    span = finished("chain", "a", input="x" * 200_000)
    assert wire.deliver([span]) == ExportResult(delivered=1)
    assert wire.requests == [b"a"]
    assert span.facts.input == "x" * 200_000


def test_a_single_span_too_large_for_the_receiver_is_tried_once_more_without_them():
    wire = Wire(lambda body: Answer("too large", "HTTP 413") if len(body) > 5000 else TAKEN)
    assert wire.deliver(named("a", input="x" * 6000)) == ExportResult(delivered=1)
    assert [len(body) for body in wire.requests] == [6001, 1]


@pytest.mark.parametrize("value", ["x" * 6000, "x"])
def test_what_stays_too_large_is_rejected_and_costs_the_others_nothing(value):
    wire = Wire(lambda body: Answer("too large", "HTTP 413") if b"bad" in body else TAKEN)
    spans = [*named("a"), *named("bad", input=value), *named("c", "d")]
    assert wire.deliver(spans) == ExportResult(delivered=3, rejected=1, reason="span too large")
    assert [body for body in wire.requests if b"bad" not in body] == [b"a", b"c,d"]


def test_a_span_that_is_too_large_without_its_values_is_rejected_unsent():
    wire = Wire()
    spans = named("a", input="x" * 6000)
    wire.splitter._encode = lambda spans, resource: b"x" * (LIMIT + 1)
    assert wire.deliver(spans) == ExportResult(rejected=1, reason="span too large")
    assert wire.requests == []


def test_what_is_to_be_retried_ends_the_export():
    wire = Wire(lambda body: Answer("retry", "HTTP 503", 7.0) if b"c" in body else TAKEN)
    spans = named(*"abcdef", input="x" * 45_000)
    result = wire.deliver(spans)
    assert result == ExportResult(delivered=1, retry=spans[1:], retry_after_s=7.0, reason="HTTP 503")
    assert len(wire.requests) == 2


def test_a_shortened_span_is_retried_as_it_was():
    wire = Wire(lambda body: Answer("retry", "timed out"))
    spans = named("a", input="x" * 200_000)
    assert wire.deliver(spans).retry == spans


def test_rejected_requests_cost_only_their_own_spans():
    wire = Wire(lambda body: Answer("rejected", "HTTP 400") if b"a" in body else TAKEN)
    spans = named(*"abcd", input="x" * 40_000)
    assert wire.deliver(spans) == ExportResult(delivered=2, rejected=2, reason="HTTP 400")


def test_what_a_receiver_says_of_a_request_it_took_is_counted():
    receipts = iter([Receipt(rejected=1), Receipt(is_suspicious=True)])
    wire = Wire(read=lambda answer, count: next(receipts))
    spans = named(*"abcd", input="x" * 40_000)
    assert wire.deliver(spans) == ExportResult(delivered=3, rejected=1, reason="partial success", suspicious=1)


def test_one_span_that_cannot_be_written_does_not_cost_the_others():
    guard.strict = False
    wire = Wire()
    spans = [*named("a", "b"), *named("odd", query=ZeroDivisionError()), *named("d")]
    assert wire.deliver(spans) == ExportResult(delivered=3, rejected=1, reason="a span cannot be encoded")
    assert b",".join(wire.requests) == b"a,b,d"
    assert guard.counts == {"encoding a span": 1}


def test_what_others_cannot_write_is_no_fault_of_ours():
    wire = Wire()
    spans = [*named("a"), *named("odd", query=UnwritableError("transform failed"))]
    assert wire.deliver(spans) == ExportResult(delivered=1, rejected=1, reason="transform failed")
    assert not guard.counts
