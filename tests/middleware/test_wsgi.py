"""The WSGI middleware: what a request's headers name is current in the call, and in every piece of its response."""

from __future__ import annotations

import io
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import FileWrapper, setup_testing_defaults
from wsgiref.validate import validator

import httpx
import pytest

import callspan
from callspan import ConfigurationError
from callspan.middleware import WSGIMiddleware
from callspan.recording.otel import get_context
from callspan.testing import capture

PARENT = "b7ad6b7169203331"
HEADER = f"00-0af7651916cd43dd8448eb211c80319c-{PARENT}-01"
CARRIED = "gen_ai.conversation.id=c,callspan.conversation.step=3,user.id=u"


@callspan.tool
def work():
    return callspan.current_span()


def environ(**headers):
    made = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    setup_testing_defaults(made)
    return made


def start_response(status, headers, exc_info=None):
    return lambda data: None


def streaming(environ, start_response):
    """Answer in three pieces; work when called, before each piece, and when closed."""
    work()
    start_response("200 OK", [("Content-Type", "text/plain")])

    def pieces():
        try:
            for number in range(3):
                work()
                yield b"%d" % number
        finally:
            work()

    return pieces()


def told(spans):
    return [(span.parent_id, span.conversation_id, span.step, span.user_id) for span in spans]


def test_the_trace_goes_on_in_every_piece_and_nowhere_else():
    with capture() as spans:
        before = get_context()
        response = WSGIMiddleware(streaming)(environ(traceparent=HEADER), start_response)
        for piece in response:
            assert piece in (b"0", b"1", b"2")
            assert get_context() is before
            work()
        response.close()
    inside = [span for span in told(spans) if span[0] is not None]
    assert inside == [(PARENT, None, None, None)] * 5
    assert len(spans) == 8


def span_over_pieces(environ, start_response):
    """Keep one span open from piece to piece, as a generator that streams an answer does."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    with callspan.span("answer"):
        work()
        yield b"0"
        work()
        yield b"1"
    work()
    yield b"2"


def test_a_span_over_several_pieces_stays_in_its_request():
    with capture() as spans:
        before = get_context()
        for headers in ({"traceparent": HEADER, "baggage": CARRIED}, {}, {"x_chat": "other"}):
            app = WSGIMiddleware(span_over_pieces, conversation=True, conversation_header="x-chat")
            response = app(environ(**headers), start_response)
            pieces = iter(response)
            for _ in range(3):
                next(pieces)
                if headers:
                    assert get_context() is before
            assert list(pieces) == []
            assert get_context() is before
    assert [(span.name, span.conversation_id) for span in spans] == [
        *[("work", "c"), ("work", "c"), ("answer", "c"), ("work", "c")],
        *[("work", None), ("work", None), ("answer", None), ("work", None)],
        *[("work", "other"), ("work", "other"), ("answer", "other"), ("work", "other")],
    ]
    answers = [span for span in spans if span.name == "answer"]
    assert [answer.parent_id for answer in answers] == [PARENT, None, None]
    parents = [span.parent_id for span in spans if span.name == "work"]
    below = [answer.span_id for answer in answers]
    assert parents == [below[0], below[0], PARENT, below[1], below[1], None, below[2], below[2], None]


def test_a_span_of_the_whole_request_that_ends_when_the_response_is_closed():
    opened = []

    class Closing(list):
        close = staticmethod(lambda: opened[-1].__exit__(None, None, None))

    def hooked(environ, start_response):
        opened.append(callspan.span("request"))
        opened[-1].__enter__()
        start_response("200 OK", [])
        response = Closing([b"a"])
        return Wrapped(response)

    class Wrapped:
        def __init__(self, response):
            self.response = response

        def __iter__(self):
            work()
            return iter(self.response)

        def close(self):
            self.response.close()

    with capture() as spans:
        before = get_context()
        response = WSGIMiddleware(hooked)(environ(traceparent=HEADER), start_response)
        assert get_context() is before
        assert list(response) == [b"a"]
        response.close()
        assert get_context() is before
    assert [(span.name, span.parent_id) for span in spans] == [
        ("work", spans.one("request").span_id),
        ("request", PARENT),
    ]


def test_a_client_that_goes_away():
    with capture() as spans:
        response = WSGIMiddleware(streaming)(environ(traceparent=HEADER), start_response)
        assert next(iter(response)) == b"0"
        response.close()
        response.close()
    assert told(spans) == [(PARENT, None, None, None)] * 3


def test_the_conversation_goes_along_on_demand():
    with capture() as spans:
        app = WSGIMiddleware(streaming, conversation=True)
        assert b"".join(app(environ(traceparent=HEADER, baggage=CARRIED), start_response)) == b"012"
        app = WSGIMiddleware(streaming, conversation_header="X-Chat")
        assert b"".join(app(environ(x_chat="chat-7"), start_response)) == b"012"
    assert told(spans) == [
        *[(PARENT, "c", 3, "u")] * 5,
        *((None, "chat-7", step, None) for step in (1, 2, 3, 4, 5)),
    ]


@pytest.mark.parametrize("body", [[b"one"], (b"one",), []])
def test_responses_that_are_ready_stay_what_they_are(body):
    with capture():
        assert WSGIMiddleware(lambda environ, start: body)(environ(traceparent=HEADER), start_response) is body


def test_files_stay_what_they_are_for_servers_that_send_them_in_ways_of_their_own():
    file = FileWrapper(io.BytesIO(b"data"))
    given = {**environ(traceparent=HEADER), "wsgi.file_wrapper": FileWrapper}
    with capture():
        assert WSGIMiddleware(lambda environ, start: file)(given, start_response) is file


def test_requests_that_name_nothing_and_a_switch_that_is_off_change_nothing():
    response = iter([b"one"])
    app = WSGIMiddleware(lambda environ, start: response)
    assert app(environ(traceparent=HEADER), start_response) is response
    with capture():
        assert app(environ(), start_response) is response
        assert app(environ(traceparent="garbage"), start_response) is response


def test_errors_of_the_application_are_the_applications():
    error = RuntimeError("mine")

    def fail(environ, start_response):
        raise error

    class Failing:
        def __iter__(self):
            raise error

        def close(self):
            raise error

    with capture():
        with pytest.raises(RuntimeError) as caught:
            WSGIMiddleware(fail)(environ(traceparent=HEADER), start_response)
        assert caught.value is error
        response = WSGIMiddleware(lambda environ, start: Failing())(environ(traceparent=HEADER), start_response)
        for fails in (lambda: next(response), response.close):
            with pytest.raises(RuntimeError) as caught:
                fails()
            assert caught.value is error


def test_names_that_no_header_has():
    with pytest.raises(ConfigurationError, match="conversation_header"):
        WSGIMiddleware(streaming, conversation_header="a b")


class Silent(WSGIRequestHandler):
    def log_message(self, *args):
        pass


def test_a_real_server_and_the_protocol_to_the_letter():
    app = validator(WSGIMiddleware(validator(streaming)))
    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server, capture() as spans:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        headers = {}
        with callspan.span("caller") as caller:
            callspan.inject(headers)
            assert httpx.get(f"http://127.0.0.1:{server.server_port}/", headers=headers).text == "012"
        server.shutdown()
        thread.join()
    below = [span.name for span in spans if span.parent_id == f"{caller.span_id:016x}"]
    assert below == ["work"] * 5
