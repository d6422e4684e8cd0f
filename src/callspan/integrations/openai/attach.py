"""Two patches under everything the client does: `SyncAPIClient.request` and its asynchronous sister.

Resources, `with_raw_response`, `parse`, `with_options`, Azure clients and `client.post` all end there, once per logical
call, retries included; also those of clients and methods that were taken before we came.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import iscoroutine
from types import ModuleType
from typing import Any, Final

from callspan.capture.call import Call
from callspan.capture.patching import Patches, when_imported
from callspan.capture.providers import open_provider_call
from callspan.capture.streams import StreamWatch, tee
from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.integrations.contract import Versions
from callspan.integrations.openai import request, response, stream
from callspan.integrations.openai.endpoints import Endpoint, endpoint_of
from callspan.model.facts import MISSING, Facts
from callspan.model.span import Span
from callspan.recording.plain import plain
from callspan.recording.results import recognise_prompts

_MODULE: Final = "openai._base_client"
_LATER: Final = object()


class OpenAI:
    """The integration; see `callspan.integrations.contract.Integration`."""

    name = "openai"
    library = "openai"
    versions = Versions("openai", oldest=(1, 40), newest=(3,))

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._patches = Patches()
        self._is_wanted = self._is_waiting = False

    def attach(self) -> None:
        """Patch the client now, or when it is imported."""
        self._is_wanted = True
        module = sys.modules.get(_MODULE)
        if module is not None:
            self._patch(module)
        elif not self._is_waiting:
            self._is_waiting = True
            when_imported(_MODULE, self._when_imported)

    def detach(self) -> None:
        """Take the patches off; an import that is still to come changes nothing then."""
        self._is_wanted = False
        self._patches.take_off()

    def report(self) -> str:
        """Name the patched methods."""
        return f"patched {self._patches}" if str(self._patches) else "to be patched when openai is imported"

    def _when_imported(self, module: ModuleType) -> None:
        self._is_waiting = False
        if self._is_wanted:
            self._patch(module)

    def _patch(self, module: ModuleType) -> None:
        self._patches.put(module.SyncAPIClient, "request", watch_request)
        self._patches.put(module.AsyncAPIClient, "request", watch_async_request)


OPENAI: Final = OpenAI()


def watch_request(wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a request of the plain client inside a span, if it asks a model."""
    exchange = open_exchange(client, args, kwargs)
    if exchange is None:
        return wrapped(*args, **kwargs)
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        exchange.fail(error)
        raise
    exchange.settle(result)
    return result


def watch_async_request(wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a request of the asynchronous client inside a span, if it asks a model."""
    return wrapped(*args, **kwargs) if switch.open_block is None else _watch_async(wrapped, client, args, kwargs)


async def _watch_async(wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    exchange = open_exchange(client, args, kwargs)
    if exchange is None:
        return await wrapped(*args, **kwargs)
    try:
        result = await wrapped(*args, **kwargs)
    except BaseException as error:
        exchange.fail(error)
        raise
    exchange.settle(result)
    return result


def open_exchange(client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Exchange | None:
    """Open the call of a request; None where it asks no model, or where nothing is recorded."""
    if switch.open_block is None:
        return None
    try:
        options = args[1] if len(args) > 1 else kwargs["options"]
        endpoint = endpoint_of(options.method, options.url)
        if endpoint is None:
            return None
        body = options.json_data
        if options.extra_json and type(body) is dict:
            body = {**body, **options.extra_json}
        body, prompts = request.take_prompts(body)
        call = open_provider_call(endpoint.site, body)
    except Exception as error:  # noqa: BLE001 - our fault must not become the user's
        guard.note("opening a request of openai", error)
        return None
    if call is None:
        return None
    exchange = Exchange(call, endpoint)
    if type(call.span) is Span:
        exchange.describe(client, body, prompts)
    return exchange


class Exchange:
    """One request and its answer: what the caller's thread keeps of them, and, called by the worker, their reader."""

    __slots__ = ("_answer", "_base_url", "_call", "_count", "_endpoint", "_is_azure", "_parent", "_told")

    def __init__(self, call: Call, endpoint: Endpoint) -> None:
        """Go on with an open call."""
        self._call = call
        self._endpoint = endpoint
        self._answer: Any = None
        self._base_url: Any = ""
        self._count = 1
        self._is_azure = False
        self._parent: Span | None = None
        self._told: dict[str, Any] = {}  # request ID and retries, as the headers have them

    def describe(self, client: Any, body: Any, prompts: list[Any] | None) -> None:
        """Note what the snapshot of the body does not hold, and name the span; never raises."""
        call, span = self._call, self._call.span
        try:
            span.reader = self
            if prompts:
                span.prompts = [*prompts, *(span.prompts or ())]
            self._base_url = client.base_url
            self._is_azure = "_api_version" in vars(client)
            parent = call.parent
            if type(parent) is Span and parent.kind == span.kind and span.provider_call is None:
                self._parent = parent
            model, count = (body.get("model"), body.get("n")) if type(body) is dict else (None, None)
            if type(model) is str:
                span.name = f"{span.name} {model}"
            if type(count) is int:
                self._count = count
        except Exception as error:  # noqa: BLE001
            guard.note("describing a request of openai", error)

    def fail(self, error: BaseException) -> None:
        """End the call by what the client raised."""
        call = self._let_go()
        try:
            if type(call.span) is Span and type(error).__module__.partition(".")[0] == "openai":
                self._note_error(call.span, vars(error))
        except Exception as fault:  # noqa: BLE001
            guard.note("reading an error of openai", fault)
        call.fail(error)

    def settle(self, result: Any) -> None:
        """End the call with what the client returns; that of a stream ends when the stream does."""
        call, value = self._let_go(), None
        if type(call.span) is Span:
            try:
                value = self._receive(call, result)
            except Exception as error:  # noqa: BLE001
                guard.note("reading an answer of openai", error)
        if value is not _LATER:
            call.finish(value)

    def _let_go(self) -> Call:
        """Return the call and forget it: its span holds us until the worker has read it."""
        call = self._call
        del self._call
        return call

    def __call__(self, _: Span, facts: Facts) -> None:
        """Read request and answer; in the worker."""
        endpoint = self._endpoint
        server = request.server_of(str(self._base_url), is_azure=self._is_azure)
        facts.operation = endpoint.site.name
        facts.provider, facts.server_address, facts.server_port = server
        if isinstance(facts.input, dict):
            endpoint.read_request(facts, facts.input)
        recognise_prompts(facts)
        if self._answer is not None:
            facts.output = MISSING
        answer = facts.output if self._answer is None else plain(self._answer.read())
        if isinstance(answer, dict):
            endpoint.read_answer(facts, answer)
        facts.response.update({name: told for name, told in self._told.items() if name == "request_id" and told})
        retries = str(self._told.get("retries", ""))
        facts.retries = int(retries) if retries.isdecimal() else None

    def _receive(self, call: Call, result: Any) -> Any:
        """Return the answer of a result, or _LATER where it has not come yet. Nothing is read from the network."""
        shape = response.shape_of(type(result))
        if shape == "stream":
            return self._follow(call, result)
        if shape == "model":
            return self._take(result)
        if shape == "plain":
            return result
        if shape == "raw" and result._stream:  # noqa: SLF001 - the only place that says so
            return self._follow(call, result.parse())  # cached: the user gets the same stream
        if shape == "unread" and result._is_sse_stream:  # noqa: SLF001
            return self._follow(call, _at_once(result.parse()), result)
        http_response = result if shape == "http" else result.http_response
        self._note_http(http_response)
        self._told["retries"] = vars(result).get("retries_taken", self._told["retries"])
        self._answer = stream.Body(http_response, self._parent)
        if shape == "unread":
            StreamWatch(call, self._answer).end_with(result)
            return _LATER
        self._answer.close(call.span)
        return None

    def _take(self, model: Any) -> Any:
        if not response.is_client_model(type(model)):
            return model
        tree = response.tree_of(model)
        self._told["request_id"] = tree.pop("_request_id", None)
        if tree.get("usage"):
            response.claim_usage(self._parent)
        return tree

    def _follow(self, call: Call, provided: Any, around: Any = None) -> Any:
        """Watch a stream from inside; it also ends with the response `around` it."""
        self._note_http(provided.response)
        if self._endpoint.chunks is None or "_iterator" not in vars(provided):
            return None
        self._answer = self._endpoint.chunks(self._count, self._parent)
        watch = StreamWatch(call, self._answer)
        provided._iterator = tee(provided._iterator, watch)  # noqa: SLF001 - the one place that every reader passes
        watch.end_with(provided)
        if around is not None:
            watch.end_with(around)
        return _LATER

    def _note_http(self, http_response: Any) -> None:
        self._told["request_id"] = http_response.headers.get("x-request-id")
        self._told["retries"] = http_response.request.headers.get("x-stainless-retry-count")

    def _note_error(self, span: Span, fields: dict[str, Any]) -> None:
        """Take what the client's exceptions hold beside their text; those of `parse` hold the answer."""
        if type(fields.get("status_code")) is int:
            span.set_attribute("http.response.status_code", fields["status_code"])
        if fields.get("completion") is not None:
            span.set_output(self._take(fields["completion"]))
        if fields.get("request") is not None:
            self._told["retries"] = fields["request"].headers.get("x-stainless-retry-count")
        self._told.setdefault("request_id", fields.get("request_id"))


def _at_once(parsed: Any) -> Any:
    """Return the result of a coroutine that has nothing to wait for, and anything else as it is."""
    if not iscoroutine(parsed):
        return parsed
    try:
        parsed.send(None)
    except StopIteration as done:
        return done.value
    parsed.close()
    message = "it waits for something"
    raise TypeError(message)
