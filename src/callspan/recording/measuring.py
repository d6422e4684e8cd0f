"""Measures the model calls that sampling leaves out, with `metrics="all"`: times, model and counts, and no content."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

from callspan.guard import guard
from callspan.model.measured import MeasuredSpan
from callspan.model.span import InertSpan, Snapshot, Span
from callspan.recording import stored_fields
from callspan.recording.clock import Clock
from callspan.recording.otel import PLAIN_SUPPRESS_KEY, SPAN_KEY, SUPPRESS_KEY, Context, get_context
from callspan.recording.recorder import Opened, Recorder, Sink
from callspan.recording.sampling import SamplingRules
from callspan.recording.sites import Site
from callspan.recording.snapshot import freeze

_USAGE: Final = ("usage", "usage_metadata")
_BARE: Final = frozenset(map(id, [str, int, float, bool, bytes, list, tuple, type(None)]))  # these tell nothing
_MODELS: Final = ("model", "model_name")
_MOST_SITES: Final = 4096


class Measurer(Recorder):
    """Keeps of a call what the metrics need; its sink takes them there."""

    __slots__ = ()

    def freeze(self, span: Span, field: str, value: object) -> Snapshot | None:  # noqa: ARG002 - the recorder's
        """Keep the model and the usage of what a call was given, or gave back; never raises."""
        try:
            told = told_of(value)
            if not told:
                return None
            if len(told) == 1 and "model" in told:  # a text: there is nothing to copy
                return [told], None, None, 64, 0, None
            snapshot = freeze([told], None, True)  # noqa: FBT003 - by position, for speed
        except Exception as error:  # noqa: BLE001 - our fault must not become the user's
            guard.note("measuring a call", error)
            return None
        span.size += snapshot[3]
        return snapshot


class MeasuringRecorder(Recorder):
    """Records like any recorder; the calls of models that are left out go to `measure`, while `is_wanted()`."""

    __slots__ = ("_is_wanted", "_measurer", "_sites")

    def __init__(
        self,
        sink: Sink,
        measure: Sink,
        is_wanted: Callable[[], bool],
        bound: int | None,
        clock: Clock,
        rules: SamplingRules | None = None,
    ) -> None:
        """Prepare a second recorder, whose spans are never sampled out and never exported."""
        super().__init__(sink, bound, clock, rules=rules)
        self._measurer = Measurer(measure, None, clock)
        self._is_wanted = is_wanted
        self._sites: dict[int, tuple[Site, Site]] = {}

    def open(self, site: Site, outer: Context | None = None, key: str = SPAN_KEY) -> Opened | None:
        """Make a span as ever, or of a model call that is left out a `MeasuredSpan`, below which nothing is recorded.

        Frameworks' calls that wait for a provider's are not measured: the provider's is.
        """
        outer = get_context() if outer is None else outer
        parent: Any = outer.get(SPAN_KEY)
        opened = None if type(parent) is MeasuredSpan else super().open(site, outer, key)
        if (
            (opened is not None and type(opened[0]) is Span)
            or site.kind != "llm"
            or site.provider_call is not None
            or outer.get(SUPPRESS_KEY)
            or outer.get(PLAIN_SUPPRESS_KEY)
            or not self._is_wanted()
        ):
            return opened
        inert = opened[0] if opened is not None else parent
        made = self._measurer.open(self._without_content(site), Context())
        if inert is None or made is None:
            return opened
        span = made[0]
        span.__class__ = MeasuredSpan
        if type(inert) is InertSpan or type(inert) is MeasuredSpan:
            span.trace_id = inert.trace_id
        else:
            span.trace_id = inert.get_span_context().trace_id
        return span, Context({**(outer if opened is None else opened[1]), SPAN_KEY: span}), outer

    def _without_content(self, site: Site) -> Site:
        """Return the site as it is for calls of which nothing is kept but what the metrics need."""
        known = self._sites.get(id(site))
        if known is None or known[0] is not site:
            lean = copy.copy(site)
            lean.capture_input = lean.capture_output = False
            lean.select_input = lean.select_output = lean.reduce = lean.metadata = None
            lean.tags, lean.defaults, lean.open_objects = (), {}, True
            if len(self._sites) > _MOST_SITES:
                self._sites.clear()
            known = self._sites[id(site)] = site, lean
        return known[1]


def model_given(site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
    """Return the model that a decorated function is called with, by its name; None where it is not told."""
    for name in _MODELS:
        value = kwargs.get(name)
        if value is None and name in site.parameters:
            place = site.parameters.index(name) + site.skip_first
            value = args[place] if place < len(args) else site.defaults.get(name)
        if type(value) is str:
            return {"model": value}
    return None


def told_of(value: Any) -> dict[str, Any] | None:
    """Return model and usage of a request or an answer, without looking at anything else of it."""
    kind = type(value)
    if kind is not dict:
        if id(kind) in _BARE:
            return None
        value = stored_fields.instance_dict(value, stored_fields.mro_of(kind))
        if value is None:
            return None
    told = {name: value[name] for name in _USAGE if name in value}
    model = value.get("model")
    if type(model) is str:
        told["model"] = model
    return told
