"""The headers that carry a trace: read from anything, believed only where they make sense, written beside others'."""

from __future__ import annotations

import pytest

from callspan.recording.carriers import Carried, pairs_of_environ, read_baggage, read_headers, write_baggage

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Multi:
    """Headers as some frameworks have them: not a `Mapping`, and a name may come twice."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def items(self):
        return iter(self.pairs)


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": PARENT, "accept": "*/*"},
        {"TraceParent": PARENT},
        {b"Traceparent": PARENT.encode()},
        [("traceparent", PARENT), ("accept", "*/*")],
        [(b"accept", b"*/*"), (b"traceparent", PARENT.encode())],
        Multi(("Traceparent", PARENT)),
        iter([("traceparent", PARENT)]),
    ],
    ids=["dictionary", "capitals", "bytes", "pairs", "pairs of bytes", "items", "iterator"],
)
def test_headers_are_read_from_whatever_holds_them(headers):
    assert read_headers(headers) == {"traceparent": PARENT}


def test_values_that_come_twice():
    pairs = [("baggage", "a=1"), ("tracestate", "x=1"), ("Baggage", "b=2"), ("tracestate", "y=2")]
    assert read_headers(pairs) == {"baggage": "a=1,b=2", "tracestate": "x=1,y=2"}
    assert read_headers([("traceparent", PARENT), ("traceparent", PARENT)]) == {}


@pytest.mark.parametrize(
    ("name", "longest"),
    [("traceparent", 256), ("tracestate", 4096), ("baggage", 8192)],
)
def test_what_is_too_long_is_not_there(name, longest):
    assert read_headers({name: "x" * longest}) == {name: "x" * longest}
    assert read_headers({name: "x" * (longest + 1)}) == {}


def test_odd_names_and_values_are_passed_over():
    assert read_headers([(None, "x"), ("baggage", None), (3, 4), ("traceparent", PARENT)]) == {"traceparent": PARENT}


def test_only_so_many_headers_are_looked_at():
    pairs = ((f"x-{number}", "1") for number in range(10**9))
    assert read_headers(pairs) == {}


@pytest.mark.parametrize(
    ("baggage", "carried"),
    [
        ("", Carried()),
        ("gen_ai.conversation.id=c-1", Carried("c-1")),
        ("gen_ai.conversation.id=c%2C1;p=1 , user.id = u%C3%A9", Carried("c,1", None, "ué")),
        ("gen_ai.conversation.id=c,callspan.conversation.step=7", Carried("c", 7)),
        ("callspan.conversation.step=7", Carried()),
        ("user.id=u", Carried(user_id="u")),
        ("gen_ai.conversation.id=first,gen_ai.conversation.id=second", Carried("first")),
        ("=,;,=;=,%%%,gen_ai.conversation.id", Carried()),
        ("gen_ai.conversation.id=c%0A1", Carried()),
        ("gen_ai.conversation.id=%1b[31m", Carried()),
        ("gen_ai.conversation.id=" + "c" * 512, Carried("c" * 512)),
        ("gen_ai.conversation.id=" + "c" * 513, Carried()),
        ("gen_ai.conversation.id=c,callspan.conversation.step=0", Carried("c")),
        ("gen_ai.conversation.id=c,callspan.conversation.step=-1", Carried("c")),
        ("gen_ai.conversation.id=c,callspan.conversation.step=1e3", Carried("c")),
        ("gen_ai.conversation.id=c,callspan.conversation.step=" + "9" * 5000, Carried("c")),
        ("gen_ai.conversation.id=c,callspan.conversation.step=²", Carried("c")),
    ],
)
def test_baggage_is_believed_where_it_makes_sense(baggage, carried):
    assert read_baggage(baggage) == carried


def test_only_so_many_members_are_looked_at():
    assert read_baggage("a=1," * 180 + "user.id=u") == Carried()


@pytest.mark.parametrize(
    ("carried", "before", "after"),
    [
        (Carried(), "", ""),
        (Carried(), "a=1", "a=1"),
        (Carried("c"), "", "gen_ai.conversation.id=c"),
        (
            Carried("c,=; é", 3, "u"),
            "",
            "gen_ai.conversation.id=c%2C%3D%3B%20%C3%A9,callspan.conversation.step=3,user.id=u",
        ),
        (Carried("new"), "a=1;p=2, gen_ai.conversation.id=old ,b=2", "a=1;p=2,b=2,gen_ai.conversation.id=new"),
        (Carried("c" * 9000), "a=1", "a=1"),
        (Carried("\ud800"), "", "gen_ai.conversation.id=%3F"),
    ],
)
def test_baggage_is_written_beside_what_was_there(carried, before, after):
    assert write_baggage(carried, before) == after


def test_headers_of_a_wsgi_environment():
    environ = {"HTTP_TRACEPARENT": PARENT, "HTTP_X_CHAT": "c", "PATH_INFO": "/", "wsgi.version": (1, 0)}
    assert sorted(pairs_of_environ(environ)) == [("TRACEPARENT", PARENT), ("X-CHAT", "c")]


def test_one_more_header_can_be_asked_for():
    pairs = [("X-Chat", "c-1"), ("traceparent", PARENT)]
    assert read_headers(pairs, "x-chat") == {"x-chat": "c-1", "traceparent": PARENT}
    assert read_headers([("x-chat", "c" * 513)], "x-chat") == {}
    assert read_headers([("x-chat", "a"), ("x-chat", "b")], "x-chat") == {}
