"""One request and its answer, from the moment when it is sent to when the worker reads both."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

from callspan.capture.call import Call
from callspan.capture.patching import inside_proxies
from callspan.capture.streams import StreamWatch, tee
from callspan.guard import guard
from callspan.integrations.openai import body, request, response, stream_usage
from callspan.integrations.openai.endpoints import Endpoint
from callspan.model.facts import MISSING, Facts
from callspan.model.span import Span
from callspan.recording.plain import plain
from callspan.recording.results import recognise_prompts

_NO_HEADERS: Final[dict[str, str]] = {}

current: Final[ContextVar[Exchange | None]] = ContextVar("callspan-openai", default=None)
"""The exchange whose request runs here."""


class Exchange:
    """What the caller's thread keeps of a request and its answer, and, called by the worker, their reader."""

    __slots__ = (
        "_answer",
        "_base_url",
        "_call",
        "_count",
        "_endpoint",
        "_headers",
        "_http_response",
        "_is_azure",
        "_parent",
        "_request_id",
        "_retries",
        "hides_usage",
        "options",
    )

    def __init__(self, call: Call, endpoint: Endpoint, options: Any) -> None:
        """Go on with an open call of a request with these options."""
        self._call = call
        self._endpoint = endpoint
        self._answer: Any = None
        self._base_url: Any = ""
        self._count = 1
        self._headers: Any = _NO_HEADERS
        self._http_response: Any = None
        self._is_azure = False
        self._parent: Span | None = None
        self._request_id: Any = None
        self._retries: Any = None
        self.hides_usage = False
        self.options = options

    # -- on the caller's thread ----------------------------------------------------------------------------------------

    def describe(self, client: Any, given: Any, prompts: list[Any] | None) -> None:
        """Note what the snapshot of the body does not hold, and name the span; never raises."""
        call, span = self._call, self._call.span
        try:
            span.reader = self
            if prompts:
                span.prompts = [*prompts, *(span.prompts or ())]
            own = vars(client)
            self._base_url = own.get("_base_url", "")
            self._is_azure = "_api_version" in own
            parent = call.parent
            if isinstance(parent, Span) and parent.kind == span.kind and span.provider_call is None:
                self._parent = parent
            if type(given) is dict:
                model, count = given.get("model"), given.get("n")
                if issubclass(type(model), str):  # a member of an enumeration, too
                    span.name = f"{span.name} {str.__str__(model)}"
                if type(count) is int:
                    self._count = count
        except Exception as error:  # noqa: BLE001 - our fault must not become the user's
            guard.note("describing a request of openai", error)

    def note_response(self, told: dict[str, Any]) -> None:
        """Take notice of the HTTP response that the client is about to make a result of."""
        self._http_response = told.get("response")
        self._retries = told.get("retries_taken", self._retries)

    def fail(self, error: BaseException) -> None:
        """End the call by what the client raised: for the request, or for an answer that it could not make sense of."""
        call = self._let_go()
        if isinstance(call.span, Span):
            try:
                if self._http_response is not None:
                    self._keep(call.span, self._http_response, None)
                if type(error).__module__.partition(".")[0] == "openai":
                    self._note_error(call.span, vars(error))
            except Exception as fault:  # noqa: BLE001
                guard.note("reading an error of openai", fault)
        call.fail(error)
        self._http_response = None

    def settle(self, result: Any) -> None:
        """End the call with what the client returns; that of a stream ends when the stream does."""
        call, is_open = self._let_go(), False
        if isinstance(call.span, Span):
            try:
                is_open = self._receive(call, result)
            except Exception as error:  # noqa: BLE001
                guard.note("reading an answer of openai", error)
        if not is_open:
            call.finish(None)
        self._http_response = None

    def _let_go(self) -> Call:
        """Return the call and forget it: its span holds us until the worker has read it."""
        call = self._call
        del self._call
        self.options = None
        return call

    def _receive(self, call: Call, result: Any) -> bool:
        """Keep the answer, and return whether it is still to come. Nothing is read from the network."""
        result = inside_proxies(result)
        shape = response.shape_of(type(result))
        if shape == "stream":
            return self._follow(call, result)
        if shape == "unread" or (shape == "raw" and result._stream):  # noqa: SLF001 - the only place that says so
            return self._follow_body(call, result.http_response)
        http_response = result if shape == "http" else self._http_response
        self._keep(call.span, http_response, result if shape == "model" else None)
        return False

    def _keep(self, span: Span, http_response: Any, model: Any, events: Any = None) -> None:
        """Keep an answer that the client has read: its bytes, or its head where the rest is not wanted or too much."""
        content = b""
        if http_response is not None:
            self._headers = http_response.headers
            content = vars(http_response).get("_content", b"")
        is_head_enough = self._endpoint.site.vectors == "none" or len(content) > body.BODY_BYTES
        if model is not None and (is_head_enough or not content):
            tree = response.head_of(model) if is_head_enough else response.tree_of(model)
            self._answer = body.Kept(tree)
            self._request_id = tree.pop("_request_id", None)
            if len(content) > body.BODY_BYTES:
                span.truncated = {**(span.truncated or {}), "output": len(content)}
            if tree.get("usage"):
                response.claim_usage(self._parent)
        elif type(content) is bytes and content:
            self._answer = answer = body.Body(self._headers, self._parent, events)
            answer.add(content)
            answer.close(span)

    def _follow(self, call: Call, provided: Any) -> bool:
        """Watch a stream from inside."""
        self._headers = provided.response.headers
        collect = self._endpoint.chunks
        if collect is None or "_iterator" not in vars(provided):
            return False
        self._answer = collector = collect(self._count, self._parent)
        watch = StreamWatch(call, collector)
        teed = tee(provided._iterator, watch)  # noqa: SLF001 - the one place that every reader passes
        provided._iterator = stream_usage.hide(teed) if self.hides_usage else teed  # noqa: SLF001
        watch.end_with(provided)
        # the helpers that put chunks together close nothing but the response
        watch.end_with(provided.response, "aclose" if hasattr(provided, "__anext__") else "close", while_reading=False)
        return True

    def _follow_body(self, call: Call, http_response: Any) -> bool:
        """Watch the bytes of a response that the user reads in a way of his own."""
        collect = self._endpoint.chunks
        events = collect(self._count, None) if collect is not None else None
        if "_content" in vars(http_response):  # they have been read before he could
            self._keep(call.span, http_response, None, events)
            return False
        self._headers = http_response.headers
        self._answer = answer = body.Body(self._headers, self._parent, events)
        body.follow(http_response, StreamWatch(call, answer))
        return True

    def _note_error(self, span: Span, fields: dict[str, Any]) -> None:
        """Take what the client's exceptions hold beside their text."""
        if type(fields.get("status_code")) is int:
            span.set_attribute("http.response.status_code", fields["status_code"])
        if fields.get("request") is not None and self._retries is None:
            self._retries = fields["request"].headers.get("x-stainless-retry-count")
        self._request_id = fields.get("request_id")

    # -- in the worker -------------------------------------------------------------------------------------------------

    def __call__(self, span: Span, facts: Facts) -> None:
        """Read request and answer."""
        endpoint = self._endpoint
        server = request.server_of(str(self._base_url), is_azure=self._is_azure)
        facts.operation = endpoint.operation
        facts.provider, facts.server_address, facts.server_port = server.provider, server.address, server.port
        if isinstance(facts.input, dict):
            endpoint.read_request(facts, facts.input)
        if server.deployment is not None:
            facts.request.setdefault("model", server.deployment)
        recognise_prompts(facts)
        request_id = self._request_id or self._headers.get("x-request-id")
        if isinstance(request_id, str) and request_id:
            facts.response["request_id"] = request_id
        retries = str(self._retries)
        facts.retries = int(retries) if retries.isdecimal() else None
        answer = self._read(span, facts)
        facts.output = answer
        if isinstance(answer, dict):
            endpoint.read_answer(facts, answer)
            endpoint.judge(span, answer)
        elif isinstance(answer, str) and str(self._headers.get("content-type", "")).startswith("text/plain"):
            endpoint.read_answer(facts, {"text": answer})

    def _read(self, span: Span, facts: Facts) -> Any:
        """Return what the answer says, as a plain tree; MISSING where there is none."""
        answer, self._answer = self._answer, None
        if answer is None:
            return MISSING
        tree = answer.read()
        if type(answer) is body.Body:
            facts.chunk_count = answer.count
            if answer.count is None:
                facts.time_to_first_chunk_s = None  # it was not asked for in chunks
        if span.outcome == "abandoned" and answer.is_whole:
            span.outcome = "ok"
        return tree if tree is MISSING else plain(tree)
