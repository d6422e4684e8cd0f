"""The ASGI middleware: a request's trace and conversation are current until the last byte of its response is sent."""

from __future__ import annotations

import asyncio
import inspect
import threading

import httpx
import pytest
import uvicorn

import callspan
from callspan import ConfigurationError
from callspan.middleware import ASGIMiddleware
from callspan.recording.otel import get_context
from callspan.testing import capture

PARENT = "b7ad6b7169203331"
HEADER = f"00-0af7651916cd43dd8448eb211c80319c-{PARENT}-01"
CARRIED = "gen_ai.conversation.id=c,callspan.conversation.step=3,user.id=u"


@callspan.tool
def work():
    return callspan.current_span()


async def streaming(scope, receive, send):
    """Answer in three pieces, and work before each of them, and after the last."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for number in range(3):
        work()
        await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
        await asyncio.sleep(0.001)
    work()
    await send({"type": "http.response.body"})


def http_scope(**headers):
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "GET", "path": "/", "headers": pairs}


async def serve(app, scope):
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return b"".join(message.get("body", b"") for message in sent)


def told(spans):
    return [(span.parent_id, span.conversation_id, span.step, span.user_id) for span in spans]


async def test_the_trace_goes_on_through_a_streamed_response():
    with capture() as spans:
        before = get_context()
        assert await serve(ASGIMiddleware(streaming), http_scope(traceparent=HEADER)) == b"012"
        assert get_context() is before
        work()
    assert told(spans) == [(PARENT, None, None, None)] * 4 + [(None, None, None, None)]


async def test_the_conversation_goes_along_on_demand():
    scope = http_scope(traceparent=HEADER, baggage=CARRIED)
    with capture() as spans:
        await serve(ASGIMiddleware(streaming, conversation=True), scope)
    assert told(spans) == [(PARENT, "c", 3, "u")] * 4


async def test_a_header_of_the_applications_own_names_the_conversation():
    app = ASGIMiddleware(streaming, conversation_header="X-Chat-ID")
    with capture() as spans:
        await serve(app, http_scope(x_chat_id="chat-7"))
        await serve(app, http_scope(x_chat_id="chat-\x1b7"))
        await serve(
            ASGIMiddleware(streaming, conversation=True, conversation_header="x-chat"),
            http_scope(x_chat="other", baggage=CARRIED),
        )
        await serve(
            ASGIMiddleware(streaming, conversation=True, conversation_header="x-chat"),
            http_scope(x_chat="c", baggage=CARRIED),
        )
    assert told(spans) == [
        *((None, "chat-7", step, None) for step in (1, 2, 3, 4)),
        *[(None, None, None, None)] * 4,
        *((None, "other", step, "u") for step in (1, 2, 3, 4)),
        *[(None, "c", 3, "u")] * 4,
    ]


async def test_requests_at_the_same_time_do_not_mix():
    app = ASGIMiddleware(streaming)
    with capture() as spans:
        await asyncio.gather(
            *(serve(app, http_scope(traceparent=f"{HEADER[:36]}{number:016x}-01")) for number in range(1, 51))
        )
    by_parent = sorted(span.parent_id for span in spans)
    assert by_parent == sorted(f"{number:016x}" for number in range(1, 51) for _ in range(4))


async def test_web_sockets_too_and_what_has_no_headers_passes():
    async def echo(scope, receive, send):
        work()

    with capture() as spans:
        await ASGIMiddleware(echo)({**http_scope(traceparent=HEADER), "type": "websocket"}, None, None)
        await ASGIMiddleware(echo)({"type": "lifespan"}, None, None)
    assert [span.parent_id for span in spans] == [PARENT, None]


async def test_an_error_of_the_application_is_the_applications():
    error = RuntimeError("mine")

    async def fail(scope, receive, send):
        raise error

    with capture(), pytest.raises(RuntimeError) as caught:
        await serve(ASGIMiddleware(fail), http_scope(traceparent=HEADER))
    assert caught.value is error


async def test_off_it_only_passes_on():
    seen = []

    async def look(scope, receive, send):
        seen.append((scope, receive, send))

    given = http_scope(traceparent=HEADER), object(), object()
    await ASGIMiddleware(look)(*given)
    assert all(one is other for one, other in zip(seen[0], given, strict=True))


def test_servers_take_it_for_what_it_is():
    assert inspect.iscoroutinefunction(ASGIMiddleware(streaming).__call__)


@pytest.mark.parametrize("name", ["", "a b", 3, "x\r\ny", "é"])
def test_names_that_no_header_has(name):
    with pytest.raises(ConfigurationError, match="conversation_header"):
        ASGIMiddleware(streaming, conversation_header=name)


def test_a_real_server():
    config = uvicorn.Config(ASGIMiddleware(streaming, conversation=True), port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    with capture() as spans:
        thread.start()
        while not server.started:
            assert thread.is_alive()
        (port,) = {found.getsockname()[1] for one in server.servers for found in one.sockets}
        headers = {}
        with callspan.conversation("c", user_id="u"), callspan.span("caller") as caller:
            callspan.inject(headers, conversation=True)
            assert httpx.get(f"http://127.0.0.1:{port}/", headers=headers).text == "012"
        server.should_exit = True
        thread.join()
    expected = [(f"{caller.span_id:016x}", "c", 1, "u")] * 4
    assert told(span for span in spans if span.name == "work") == expected
