"""How calls are opened for one recorder, and the switch that sends everything that is watched to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from callspan.capture import scopes, spans  # noqa: F401 - or a signal handler finds them half loaded at their first use
from callspan.capture.call import Call, MeasuredCall, UnsampledCall
from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.model.measured import MeasuredSpan
from callspan.model.span import InertSpan, Span
from callspan.recording.measuring import model_given
from callspan.recording.otel import SPAN_KEY, SUPPRESS_KEY, Context, get_context, set_context
from callspan.recording.recorder import Opened, Recorder, account
from callspan.recording.sites import Site
from callspan.recording.snapshot import freeze


def make_call(kind: type[Call], recorder: Recorder, opened: Opened) -> Call:
    """Make a call of what the recorder opened."""
    call = kind.__new__(kind)
    call._recorder = recorder  # noqa: SLF001 - its constructor
    call.span, call._own, call._outer = opened  # noqa: SLF001
    return call


def opener(recorder: Recorder) -> Callable[[Site, tuple[Any, ...], dict[str, Any]], Call | None]:
    """Return the function that opens calls of decorated functions for one recorder."""
    open_span, ticks, clock, new_call = recorder.open, recorder.ticks, recorder.clock, Call.__new__
    is_plain = type(recorder) is Recorder  # else a call that is left out may have to be measured

    def open_call(site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """Open a call and make it current; None when nothing is recorded and nothing has to be current for it."""
        try:
            current = get_context()
            if current:  # what `Recorder.open` finds out too, before anything is called: such calls must cost nothing
                if current.get(SUPPRESS_KEY):
                    return None
                parent = current.get(SPAN_KEY)
                if type(parent) is InertSpan and is_plain and parent.trace_id:
                    return None
            opened = open_span(site, current)
            if opened is None:
                return None
            span, own, outer = opened
            if type(span) is not Span:
                return _open_unrecorded(recorder, opened, site, args, kwargs)
            if site.select_input is not None:
                _select_input(recorder, span, site, args, kwargs)
            elif site.capture_input:
                roots = [*args[1:]] if site.skip_first else [*args]
                if kwargs:
                    roots += kwargs.values()
                span.input = snapshot = freeze(roots, (*kwargs,))
                span.size += snapshot[3]
                if snapshot[4] or snapshot[5]:
                    account(span, "input", snapshot)
            call = new_call(Call)  # make_call, without calling it for every span
            call._recorder, call.span, call._own, call._outer = recorder, span, own, outer  # noqa: SLF001
            set_context(own)
            span._ticks = started = ticks()  # noqa: SLF001 - the last thing before the user's code
            span.start_ns = started + clock.offset_ns
        except RecursionError:  # the user's code is near its end too: no frame is left even to note it
            return None
        except Exception as error:  # noqa: BLE001
            guard.note("opening a call", error)
            return None
        return call

    return open_call


def block_opener(recorder: Recorder) -> Callable[..., Call | None]:
    """Return the function that opens a block, or a call seen by an integration, for one recorder."""

    def open_block(site: Site, given: Any = None, around: Context | None = None) -> Call | None:
        """Open a call whose input is `given`, unless that is None, and make it current; None when not recorded.

        It stands below what is current in `around`, where that is given: a framework may know of another parent.
        """
        try:
            opened = recorder.open(site, around)
            if opened is None:
                return None
            if around is not None:
                opened = opened[0], opened[1], get_context()  # which is to be current again afterwards
            span, own, _ = opened
            if type(span) is MeasuredSpan:
                return _measured(opened, given)
            call = make_call(UnsampledCall if type(span) is InertSpan else Call, recorder, opened)
            if type(span) is Span:
                if given is not None:
                    span.input = recorder.freeze(span, "input", given)
                recorder.start(span)
            set_context(own)
        except Exception as error:  # noqa: BLE001
            guard.note("opening a block", error)
            return None
        return call

    return open_block


def _open_unrecorded(
    recorder: Recorder, opened: Opened, site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Call:
    """Make a call current that leaves no span: one that is measured, or one that says only that nothing is recorded."""
    if type(opened[0]) is MeasuredSpan:
        return _measured(opened, model_given(site, args, kwargs))
    set_context(opened[1])
    return make_call(UnsampledCall, recorder, opened)


def _measured(opened: Opened, given: Any) -> Call:
    """Make a call current of which only the metrics will tell."""
    span, own, _ = opened
    measurer: Recorder = span._recording  # noqa: SLF001 - the recorder is the other half of a span
    if given is not None:
        span.input = measurer.freeze(span, "input", given)
    call = make_call(MeasuredCall, measurer, opened)
    measurer.start(span)
    set_context(own)
    return call


_captures: Final[list[Recorder]] = []
_configured: Final[list[Recorder]] = []  # one at most


def turn_on(recorder: Recorder) -> None:
    """Send the calls of everything that is watched to this recorder; while a test captures them, afterwards."""
    _configured[:] = [recorder]
    _apply()


def turn_off() -> None:
    """Record nothing from here on, unless a test captures it."""
    _configured.clear()
    _apply()


@contextmanager
def captured_by(recorder: Recorder) -> Iterator[None]:
    """Send all calls of the block to this recorder, whatever is configured meanwhile; blocks nest."""
    _captures.append(recorder)
    _apply()
    try:
        yield
    finally:
        _captures.remove(recorder)
        _apply()


def _apply() -> None:
    wanted = (_captures or _configured)[-1:]
    if not wanted:
        switch.open_call = switch.open_block = switch.recorder = None
        return
    switch.recorder = wanted[0]
    switch.open_block = block_opener(wanted[0])
    switch.open_call = opener(wanted[0])


def _select_input(recorder: Recorder, span: Span, site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    try:
        span.input = recorder.freeze(span, "input", site.select_input(args, kwargs))  # type: ignore[misc]
    except Exception as error:  # noqa: BLE001 - the user's own selector failed: no input, but a span
        guard.note("the input= of a decorator", error)
