"""How the calls of providers' clients are opened: as spans, or inside the span of the framework that makes them."""

from __future__ import annotations

from typing import Any

from callspan.capture.call import Call
from callspan.capture.generators import lazy_bodies
from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.model.span import Span
from callspan.recording.claims import Claim, is_claimable
from callspan.recording.otel import SPAN_KEY, Context, below, get_context
from callspan.recording.recorder import Recorder
from callspan.recording.sites import AWAITED, Site


def open_provider_call(site: Site, given: Any = None) -> Call | None:
    """Open a provider's call whose input is `given`, unless that is None; None where nothing is recorded. Never raises.

    Where a framework's span waits for it, the call belongs to that span and is not made current; see
    `callspan.recording.claims`. That span is the current one, or the one whose generator runs here.
    """
    open_block = switch.open_block
    if open_block is None:
        return None
    try:
        around = None
        owner = lazy_bodies.running() if lazy_bodies else None
        if owner is not None:
            around = below(owner.span)
        framework: Any = (around or get_context()).get(SPAN_KEY)
        if is_claimable(framework, site.kind):
            call = _claim(framework, site, given, around)
            if call is not None:
                return call
    except Exception as error:  # noqa: BLE001 - our fault must not become the user's
        guard.note("opening a provider's call", error)
        return None
    opened: Call | None = open_block(site, given, around)
    return opened


def _claim(framework: Span, site: Site, given: Any, around: Context | None) -> Call | None:
    """Open a call inside a span; None where another thread was faster, or nothing is recorded."""
    recorder = switch.recorder
    if recorder is None:
        return None
    claim = Claim(framework, recorder.sink)
    own = Recorder(claim, recorder.bound, recorder.clock, recorder.ids)
    opened = own.open(site, around)
    if opened is None:
        return None
    span: Span = opened[0]
    span.provider_call = claim
    if given is not None:
        span.input = own.freeze(span, "input", given)
    if framework.provider_call is not AWAITED:
        return None
    framework.provider_call = span  # nothing is called in between: no other thread comes between
    outer = get_context()
    call = Call.__new__(Call)
    call._recorder, call.span, call._own, call._outer = own, span, outer, outer  # noqa: SLF001 - its constructor
    own.start(span)
    return call
