"""Over HTTP and queues: `inject` writes what is current into headers, `extract` makes it current on the other side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from callspan.capture.scopes import ScopeBlock
from callspan.capture.switch import switch
from callspan.errors import ConfigurationError
from callspan.guard import guard
from callspan.recording.carriers import Carried, identifier, read_baggage, read_headers, write_baggage
from callspan.recording.scope import EMPTY_SCOPE

if TYPE_CHECKING:
    Pair = tuple[str, str] | tuple[bytes, bytes]
    Headers = Mapping[str, str] | Mapping[bytes, bytes] | Iterable[Pair]


def inject(headers: Any, *, conversation: bool | None = None) -> None:
    """Add headers that let another process go on with this trace: `traceparent`, and `tracestate` if there is one.

    headers: anything to which headers are assigned by name, as a dictionary or the headers of an HTTP client.
    conversation: True to add conversation ID, step and user ID as `baggage`, beside what it holds; by default as
        `configure(propagate_conversation=...)` says. Whoever gets the request can read them.

    Does nothing while callspan is off, inside `suppress()`, and where no span is current (but for the conversation).
    Raises `ConfigurationError` for what cannot be assigned to.

    >>> headers = {"accept": "text/plain"}
    >>> inject(headers)
    """
    if not hasattr(type(headers), "__setitem__") or isinstance(headers, list):
        raise ConfigurationError("headers", headers, "give a dictionary, or the headers object of an HTTP client")
    if switch.recorder is None:
        return
    try:
        _inject(headers, _is_wanted(conversation))
    except Exception as error:  # noqa: BLE001 - what cannot be written is not carried, and the request goes out
        guard.note("injecting headers", error)


def _inject(headers: Any, is_wanted: bool) -> None:  # noqa: FBT001
    from callspan.recording import otel  # noqa: PLC0415 - loaded, since the switch is on

    context = otel.get_context()
    if any(context.get(key) for key in otel.SUPPRESS_KEYS):
        return
    for name, value in otel.write_parent(context).items():
        headers[_spelled(name, headers)] = value
    scope: Any = context.get(otel.SCOPE_KEY)
    if not is_wanted or scope is None:
        return
    carried = Carried(scope.conversation_id, scope.step, scope.user_id)
    name = _spelled("baggage", headers)
    before = headers[name] if name in headers else ""  # noqa: SIM401 - not everything that is assigned to has `get`
    after = write_baggage(carried, before)
    if after != before:
        headers[name] = after


def _spelled(name: str, headers: Any) -> str:
    """Return the name as it may stand there already: dictionaries tell capitals apart, and receivers do not."""
    capital = name.title()
    return capital if hasattr(type(headers), "__contains__") and capital in headers else name


def extract(headers: Headers, *, conversation: bool | None = None) -> ScopeBlock:
    """Go on with the trace of another process in the block: `with callspan.extract(request.headers):`.

    headers: a mapping, or pairs of name and value, in `str` or `bytes`; capitals do not matter.
    conversation: True to take over conversation ID, step and user ID from `baggage` too; by default as
        `configure(propagate_conversation=...)` says. Only for headers from those who may set them.

    What is garbled, there twice or too long (a `baggage` above 8,192 bytes, an ID above 512 characters) counts as not
    there: the first span of the block then begins a trace of its own. A span of this process that already belongs to
    the trace, such as that of an instrumented web server, stays the parent. Raises `ConfigurationError` for what cannot
    hold headers.

    >>> with extract({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}):
    ...     pass
    """
    given: Any = headers
    if isinstance(given, str | bytes) or not (hasattr(given, "items") or hasattr(given, "__iter__")):
        raise ConfigurationError("headers", headers, "give a dictionary, or pairs of name and value")
    return take_over(headers, conversation) or ScopeBlock(_change_nothing)


def take_over(headers: Any, conversation: bool | None, conversation_header: str | None = None) -> ScopeBlock | None:  # noqa: FBT001
    """Return the block that `extract` promises; None where nothing can be taken over, for whatever reason.

    `conversation_header`, in small letters, names a header that holds a conversation ID; it comes before `baggage`.
    """
    if switch.recorder is None:
        return None
    try:
        found = read_headers(headers, conversation_header)
        carried = read_baggage(found.get("baggage", "")) if _is_wanted(conversation) else Carried()
        named = identifier(found.get(conversation_header)) if conversation_header else None
        if named is not None and named != carried.conversation_id:
            carried = Carried(named, None, carried.user_id)
        return _block(found, carried)
    except Exception as error:  # noqa: BLE001 - what cannot be read is a new trace
        guard.note("extracting headers", error)
        return None


def _block(found: dict[str, str], carried: Carried) -> ScopeBlock | None:
    from callspan.recording import otel  # noqa: PLC0415 - loaded, since the switch is on

    parent = otel.read_parent(found)
    if parent is None and not any(carried):
        return None

    def put(context: dict[str, Any]) -> None:
        if parent is not None and not otel.is_in_trace_of(context.get(otel.SPAN_KEY), parent):
            context[otel.SPAN_KEY] = parent
        if any(carried):
            context[otel.SCOPE_KEY] = _scope(context.get(otel.SCOPE_KEY), carried)

    return ScopeBlock(put)


def _scope(outer: Any, carried: Carried) -> Any:
    scope = outer or EMPTY_SCOPE
    if carried.conversation_id is not None:
        return scope.converse(carried.conversation_id, carried.step, carried.user_id)
    return scope.add(carried.user_id, (), ())


def _is_wanted(conversation: bool | None) -> bool:  # noqa: FBT001
    return switch.carries_conversation if conversation is None else bool(conversation)


def _change_nothing(context: dict[str, Any]) -> None:
    """Leave the context as it is."""
