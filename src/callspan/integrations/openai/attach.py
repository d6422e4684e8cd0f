"""Two patches under everything the client does, `SyncAPIClient.request` and its asynchronous sister, and two below.

Resources, `with_raw_response`, `parse`, `with_options`, Azure clients and `client.post` all end there, once per logical
call, retries included; also those of clients and methods that were taken before we came. The lower two are where the
client makes a result of the HTTP response: it is the only place that sees the answer as it came.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from callspan.capture.patching import Patches, when_imported
from callspan.capture.providers import open_provider_call
from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.integrations.contract import Versions
from callspan.integrations.openai import request, stream_usage
from callspan.integrations.openai.endpoints import endpoint_of
from callspan.integrations.openai.exchange import Exchange, current
from callspan.integrations.openai.options import OPTIONS
from callspan.model.span import Span

_MODULE: Final = "openai._base_client"
_RESULT: Final = "_process_response"


class OpenAI:
    """The integration; see `callspan.integrations.contract.Integration`."""

    name = "openai"
    library = "openai"
    versions = Versions("openai", oldest=(1, 40), newest=(3,))
    options = OPTIONS

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
        for client, watch in ((module.SyncAPIClient, watch_request), (module.AsyncAPIClient, watch_async_request)):
            self._patches.put(client, "request", watch)
            if hasattr(client, _RESULT):  # else the model is read, which holds less
                self._patches.put(client, _RESULT, watch_result)
            for kind in client.__subclasses__():
                self.cover(kind)

    def cover(self, kind: type) -> None:
        """Patch a class of the library's whose own `request`, a neighbour's, leads past our patch of the base."""
        if self._is_wanted and kind.__module__.partition(".")[0] == "openai" and "request" in vars(kind):
            is_async = issubclass(kind, sys.modules[_MODULE].AsyncAPIClient)
            self._patches.cover(kind, "request", watch_async_request if is_async else watch_request)


OPENAI: Final = OpenAI()


def watch_request(wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a request of the plain client inside a span, if it asks a model."""
    opened = open_exchange(client, args, kwargs)
    if opened is None:
        return wrapped(*args, **kwargs)
    exchange, args, kwargs = opened
    around = current.get()
    current.set(exchange)
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as error:
        exchange.fail(error)
        raise
    finally:
        current.set(around)
    exchange.settle(result)
    return result


def watch_async_request(wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run a request of the asynchronous client inside a span, if it asks a model."""
    return wrapped(*args, **kwargs) if switch.open_block is None else _watch_async(wrapped, client, args, kwargs)


async def _watch_async(wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    opened = open_exchange(client, args, kwargs)
    if opened is None:
        return await wrapped(*args, **kwargs)
    exchange, args, kwargs = opened
    around = current.get()
    current.set(exchange)
    try:
        result = await wrapped(*args, **kwargs)
    except BaseException as error:
        exchange.fail(error)
        raise
    finally:
        current.set(around)
    exchange.settle(result)
    return result


def watch_result(wrapped: Callable[..., Any], client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Show an HTTP response to the exchange that it belongs to, before the client makes a result of it."""
    exchange = current.get()
    if exchange is not None:
        exchange.note_response(kwargs)
    else:
        _see_to_the_next(client)
    return wrapped(*args, **kwargs)


def _see_to_the_next(client: Any) -> None:
    """Where a request came past us, since a neighbour has put back what it found, let the next one come by again."""
    try:
        for kind in type(client).__mro__:
            OPENAI.cover(kind)
    except Exception as error:  # noqa: BLE001 - our fault must not become the user's
        guard.note("covering a client of openai", error)


def open_exchange(
    client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Exchange, tuple[Any, ...], dict[str, Any]] | None:
    """Open the call of a request; None where it asks no model, or where nothing is recorded.

    Returns the arguments too, which are the user's own unless we ask for the usage of a stream.
    """
    if switch.open_block is None:
        return None
    try:
        options = args[1] if len(args) > 1 else kwargs["options"]
        around = current.get()
        if around is not None and around.options is options:
            return None  # two patches of ours on one way, with a neighbour's between them
        endpoint = endpoint_of(options.method, options.url, OPTIONS["vectors"], OPTIONS["other_requests"])
        if endpoint is None:
            return None
        body = options.json_data
        if options.extra_json and type(body) is dict:
            body = {**body, **options.extra_json}
        if endpoint.takes_files:
            body = request.with_files(body, options.files)
        body, prompts = request.take_prompts(body)
        call = open_provider_call(endpoint.site, body)
    except Exception as error:  # noqa: BLE001 - our fault must not become the user's
        guard.note("opening a request of openai", error)
        return None
    if call is None:
        return None
    exchange = Exchange(call, endpoint, options)
    if isinstance(call.span, Span):
        exchange.describe(client, body, prompts)
        if endpoint.can_tell_usage and OPTIONS["stream_usage"] == "inject":
            args, kwargs = _ask_for_usage(exchange, options, args, kwargs)
    return exchange, args, kwargs


def _ask_for_usage(
    exchange: Exchange, options: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    try:
        asking = stream_usage.ask(options)
    except Exception as error:  # noqa: BLE001
        guard.note("asking openai for usage", error)
        return args, kwargs
    if asking is None:
        return args, kwargs
    exchange.hides_usage, exchange.options = True, asking
    return ((args[0], asking, *args[2:]), kwargs) if len(args) > 1 else (args, {**kwargs, "options": asking})
