from __future__ import annotations

import enum
import json
from contextlib import contextmanager

import pytest

from callspan.errors import ConfigurationError
from callspan.exporters.contract import Batch, Exporter, ExportResult
from callspan.exporters.http import HTTPExporter
from callspan.guard import guard
from callspan.model.kinds import KINDS
from callspan.model.record import SpanRecord
from callspan.model.resource import describe
from receiver import Receiver, Reply
from spans import FIXED, finished

RESOURCE = describe("shop-bot")


@contextmanager
def exporter(*arguments, **named):
    made = HTTPExporter(*arguments, **named)
    try:
        yield made
    finally:
        made.close()


def batch(*names, **given):
    return Batch([finished("chain", name, **given) for name in names], RESOURCE)


def test_it_is_an_exporter_for_a_thread_of_its_own():
    with exporter("https://me:p4ss@h/in?key=k3y") as made:
        assert isinstance(made, Exporter)
        assert (made.name, made.local, made.url) == ("http", False, "https://***@h/in?***")


def test_records_go_out_as_a_list():
    spans = [FIXED[kind] for kind in KINDS]
    with Receiver() as receiver, exporter(f"{receiver.url}/in?a=1", headers={"x-key": "k"}) as made:
        assert made.export(Batch(spans, RESOURCE)) == ExportResult(delivered=9)
        (request,) = receiver.requests
    assert (request.path, request.headers["x-key"]) == ("/in?a=1", "k")
    assert request.headers["content-type"] == "application/json"
    records = json.loads(request.body)
    assert [record["name"] for record in records] == [span.name for span in spans]
    assert {record["schema_version"] for record in records} == {1}
    assert {record["resource"]["service.name"] for record in records} == {"shop-bot"}
    assert SpanRecord.model_validate(records[0]) == SpanRecord.from_span(spans[0], RESOURCE)


def test_attributes_are_spelled_on_request():
    with Receiver() as receiver, exporter(receiver.url, dialects="openinference") as made:
        span = finished("llm", "ask", request={"model": "m"}, attributes={"mine": [1]})
        assert made.export(Batch([span], RESOURCE)) == ExportResult(delivered=1)
        (record,) = json.loads(receiver.requests[0].body)
    assert record["attributes"] == {
        "llm.model_name": "m",
        "llm.invocation_parameters": '{"model":"m"}',
        "mine": [1],
        "openinference.span.kind": "LLM",
        "callspan.outcome": "ok",
    }
    assert record["request"] == {"model": "m"}
    with pytest.raises(ConfigurationError, match="dialects"):
        HTTPExporter(receiver.url, dialects="klingon")


def test_or_one_a_line():
    with Receiver() as receiver, exporter(receiver.url, format="ndjson", compression="gzip") as made:
        assert made.export(batch("a", "b\nc")) == ExportResult(delivered=2)
        (request,) = receiver.requests
    assert request.headers["content-type"] == "application/x-ndjson"
    first, second, end = request.content.split(b"\n")
    assert (json.loads(first)["name"], json.loads(second)["name"], end) == ("a", "b\nc", b"")


def test_odd_values_are_strict_json():
    odd = {"nan": float("nan"), "half": "\ud800", "large": 10**400}
    for form in ("json", "ndjson"):
        with Receiver() as receiver, exporter(receiver.url, format=form, transform=lambda records: records) as made:
            assert made.export(batch("a", input=odd)) == ExportResult(delivered=1)
            json.loads(receiver.requests[0].body.decode(), parse_constant=pytest.fail)


def test_a_content_type_of_the_users_wins():
    with Receiver() as receiver, exporter(receiver.url, headers={"Content-Type": "application/vnd.shop+json"}) as made:
        made.export(batch("a"))
        assert receiver.requests[0].headers["content-type"] == "application/vnd.shop+json"


# -- transform ---------------------------------------------------------------------------------------------------------


def test_a_transform_says_what_is_sent():
    def around(records):
        return {"source": "callspan", "events": [{"message": record["name"]} for record in records]}

    with Receiver() as receiver, exporter(receiver.url, transform=around) as made:
        assert made.export(batch("a", "b")) == ExportResult(delivered=2)
        body = json.loads(receiver.requests[0].body)
    assert body == {"source": "callspan", "events": [{"message": "a"}, {"message": "b"}]}


def test_a_transform_of_lines_may_give_any_number_of_them():
    def actions(records):
        for record in records:
            yield {"index": {"_id": record["span_id"]}}
            yield record["name"]

    with Receiver() as receiver, exporter(receiver.url, format="ndjson", transform=actions) as made:
        assert made.export(batch("a", "b")) == ExportResult(delivered=2)
        lines = receiver.requests[0].body.splitlines()
    assert [json.loads(line) for line in lines[1::2]] == ["a", "b"]


def test_a_transform_may_do_with_the_records_as_it_likes():
    def empty(records):
        for record in records:
            record["input"]["list"].clear()
            record.clear()
        return records

    given = batch("a", input={"list": [1, 2]})
    with Receiver() as receiver, exporter(receiver.url, transform=empty) as made:
        assert made.export(given) == ExportResult(delivered=1)
        assert receiver.requests[0].body == b"[{}]"
    assert given.spans[0].facts.input == {"list": [1, 2]}


def test_a_transform_may_give_what_json_does_not_know():
    class Colour(enum.Enum):
        RED = object()

    with Receiver() as receiver, exporter(receiver.url, transform=lambda records: [Colour.RED, {1: ()}]) as made:
        assert made.export(batch("a")) == ExportResult(delivered=1)
        assert receiver.requests[0].body == b'["<Colour>",{"1":[]}]'


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_a_transform_that_raises_costs_only_the_spans_it_cannot_take(form, said):
    def picky(records):
        assert all(record["name"] != "odd" for record in records)
        return records

    with Receiver() as receiver, exporter(receiver.url, format=form, transform=picky) as made:
        expected = ExportResult(delivered=3, rejected=1, reason="transform failed")
        assert made.export(batch("a", "b", "odd", "d")) == expected
        assert receiver.requests
    assert said() == ["http: transform raised AssertionError; those spans are not sent"]
    assert not guard.counts


def test_a_transform_whose_lines_are_none(said):
    with Receiver() as receiver, exporter(receiver.url, format="ndjson", transform=lambda records: 7) as made:
        assert made.export(batch("a")) == ExportResult(rejected=1, reason="transform failed")
        assert receiver.requests == []


# -- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(200, b'{"ok":true}', {"Content-Type": "application/json"}), ExportResult(delivered=1)),
        (Reply(202, b"thanks"), ExportResult(delivered=1)),
        (Reply(204), ExportResult(delivered=1)),
        (Reply(200, b"x" * 1000, drop="half"), ExportResult(delivered=1)),
        (Reply(302, headers={"Location": "/login"}), ExportResult(rejected=1, reason="HTTP 302")),
        (Reply(422), ExportResult(rejected=1, reason="HTTP 422")),
    ],
)
def test_what_answers_mean(reply, expected):
    with Receiver(reply) as receiver, exporter(receiver.url) as made:
        assert made.export(batch("a")) == expected


def test_a_page_of_html_is_suspicious(said):
    with Receiver(Reply(200, b"<html>", {"Content-Type": "Text/HTML; charset=utf-8"})) as receiver:
        with exporter(receiver.url) as made:
            assert made.export(batch("a")) == ExportResult(delivered=1, suspicious=1)
        assert said() == [f"http: {receiver.url} answers with a page of HTML; is it the right address?"]


def test_what_is_worth_a_retry_comes_back():
    spans = batch("a", "b")
    with Receiver(Reply(503, headers={"Retry-After": "5"})) as receiver, exporter(receiver.url) as made:
        assert made.export(spans) == ExportResult(retry=spans.spans, retry_after_s=5.0, reason="HTTP 503")
        assert len(receiver.requests) == 1


def test_a_late_answer_is_worth_a_retry():
    spans = batch("a")
    with Receiver(Reply(delay_s=5)) as receiver, exporter(receiver.url, timeout_s=0.2) as made:
        assert made.export(spans) == ExportResult(retry=spans.spans, reason="timed out")


def test_a_large_batch_is_several_requests():
    with Receiver() as receiver, exporter(receiver.url) as made:
        assert made.export(batch("a", "b", "c", input="x" * 2_000_000)) == ExportResult(delivered=3)
        names = [[record["name"] for record in json.loads(request.body)] for request in receiver.requests]
    assert names == [["a"], ["b", "c"]]


# -- configuration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"url": "s3cret"}, "^url: got str; give a URL that starts with http"),
        ({"url": 7}, "^url: got int; give an http:// or https:// URL"),
        ({"format": "xml"}, '^format: got str; give "json" or "ndjson"'),
        ({"format": ["json"]}, '^format: got list; give "json" or "ndjson"'),
        ({"transform": "s3cret"}, "^transform: got str; give a function"),
        ({"name": ""}, "^name: got str; give a string that is not empty"),
        ({"headers": {"x-key": "s3cret\nb"}}, r"^headers\['x-key'\]: got str"),
        ({"timeout_s": None}, "^timeout_s: got NoneType"),
        ({"compression": "br"}, "^compression: got str"),
        ({"certificate_file": "/missing"}, "^certificate_file: got str"),
        ({"verify": None}, "^verify: got NoneType"),
    ],
)
def test_wrong_arguments_raise_and_are_not_repeated(given, told):
    with pytest.raises(ConfigurationError, match=told) as caught:
        HTTPExporter(**{"url": "https://h/in", **given})
    assert "s3cret" not in str(caught.value)


def test_the_environment_says_where_to(monkeypatch, said):
    with Receiver() as receiver:
        monkeypatch.setenv("CALLSPAN_HTTP_URL", f"{receiver.url}/in")
        monkeypatch.setenv("CALLSPAN_HTTP_HEADERS", "x-key=k%20y,s3cret")
        with exporter() as made:
            assert made.export(batch("a")) == ExportResult(delivered=1)
        with exporter(f"{receiver.url}/other", headers={}) as made:
            made.export(batch("b"))
        first, second = receiver.requests
    assert (first.path, first.headers["x-key"]) == ("/in", "k y")
    assert second.path == "/other"
    assert "x-key" not in second.headers
    assert said() == ["header number 2 of CALLSPAN_HTTP_HEADERS is left out: it needs name=value"]


def test_a_url_there_must_be(monkeypatch, said):
    monkeypatch.setenv("CALLSPAN_HTTP_URL", "s3cret")
    with pytest.raises(ConfigurationError, match=r"^url: got NoneType; give the URL to post to, or set CALLSPAN_HTTP"):
        HTTPExporter()
    assert said() == [
        "environment variable CALLSPAN_HTTP_URL is ignored: it needs a URL that starts with http:// or https://"
    ]
