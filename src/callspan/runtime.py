"""The composition root: settings become a pipeline, a recorder in front of it, and the switch is turned on."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, Literal

from callspan import settings
from callspan.capture import openers
from callspan.capture.open_spans import open_spans
from callspan.capture.switch import switch
from callspan.environment import say_once
from callspan.errors import ConfigurationError
from callspan.exporters import registry
from callspan.guard import guard
from callspan.model import resource as resources
from callspan.model.span import Span
from callspan.pipeline.costs import Costs
from callspan.pipeline.counters import FlushResult, Stats
from callspan.pipeline.limits import Limiter
from callspan.pipeline.measuring import Measuring
from callspan.pipeline.metrics import Metrics
from callspan.pipeline.redaction.gate import Gate
from callspan.pipeline.roots import RootFlush
from callspan.pipeline.spool import settings as spool_settings
from callspan.pipeline.tokens import TokenCounter
from callspan.pipeline.worker import Pipeline
from callspan.policy import Limits, Price, Processor, Redaction, Replace, SampleRates
from callspan.recording.clock import Clock
from callspan.recording.measuring import MeasuringRecorder
from callspan.recording.otel import quiet
from callspan.recording.recorder import Recorder
from callspan.recording.sampling import bound_of, rules_of
from callspan.signals import SigtermHandler

EXIT_TIMEOUT_S: Final = 5.0
EXIT_STALL_S: Final = 2.0


class Runtime:
    """What is running in this process: nothing, or a pipeline; the last one is kept for its counts."""

    def __init__(self) -> None:
        """Run nothing yet."""
        self._lock = threading.RLock()
        self._settings: settings.Settings | None = None  # None when off
        self._recorder: Recorder | None = None
        self._is_exit_registered = False
        self._sigterm = SigtermHandler(self.at_sigterm)
        self.pipeline: Pipeline | None = None

    def configure(self, wanted: settings.Settings) -> None:
        """Run with these settings; the same ones again change nothing, others replace the pipeline, which drains."""
        if settings.is_disabled():
            return
        with self._lock:
            if wanted.is_same_as(self._settings):
                return
            pipeline, recorder = self._build(wanted)
            old, before = self.pipeline, self._recorder
            pipeline.hold()  # it may share an exporter with the old one, which comes first
            self.pipeline, self._recorder, self._settings = pipeline, recorder, wanted
            if before is not None:
                before.sink = self._take  # the old pipeline closes: what is open now would come too late for it
            openers.turn_on(recorder)
            switch.carries_conversation, switch.deliver = wanted.propagate_conversation, self.deliver
            self._sigterm.turn(is_on=wanted.flush_on_sigterm)
            if not self._is_exit_registered:
                self._is_exit_registered = True
                atexit.register(self.at_exit)
                _follow_multiprocessing(self)
        try:
            if old is not None and not old.is_closed:
                old.close(EXIT_TIMEOUT_S, EXIT_STALL_S, keep=[lane.exporter for lane in pipeline.lanes])
        finally:
            pipeline.release()

    def _build(self, wanted: settings.Settings) -> tuple[Pipeline, Recorder]:
        exporters = [registry.make(given, f"exporters[{index}]") for index, given in enumerate(wanted.exporters)]
        clock = Clock()
        metrics = Metrics("genai" if wanted.metrics == "all" else wanted.metrics) if wanted.metrics else None
        measuring = Measuring(metrics, quiet) if metrics is not None and wanted.metrics == "all" else None
        pipeline = Pipeline(
            exporters,
            resources.describe(wanted.service_name, dict(wanted.resource)),
            gate=Gate(wanted.redact, capture_content=wanted.capture_content, keep_media=wanted.limits.keep_media),
            limiter=Limiter(wanted.limits),
            processors=wanted.processors,
            measures=_measures(wanted),
            metrics=metrics,
            measuring=measuring,
            quiet=quiet,
            every_interval=clock.anchor,
            spool=wanted.spool,
        )
        sink = pipeline.offer if wanted.flush_on == "never" else _delivering_roots(pipeline)
        rates = wanted.sample_rate
        bound = bound_of(rates.default if isinstance(rates, SampleRates) else rates)
        if measuring is None:
            recorder = Recorder(sink, bound, clock, rules=rules_of(rates))
        else:
            recorder = MeasuringRecorder(sink, measuring.offer, measuring.is_wanted, bound, clock, rules_of(rates))
        if wanted.is_default_exporter:
            path = getattr(exporters[0], "path", None)
            say_once(f"callspan: writing spans to {path}; look at them with: callspan view {_shown(path)}")
        return pipeline, recorder

    def _take(self, span: Span) -> None:
        """Take a span that was opened before the last `configure()` and ends after it."""
        recorder = self._recorder
        if recorder is not None:
            recorder.sink(span)

    def flush(self, timeout_s: float) -> FlushResult:
        """Wait until everything that ended is delivered, at most `timeout_s`."""
        pipeline = self.pipeline
        return pipeline.flush(timeout_s) if pipeline is not None else FlushResult(ok=True)

    def shutdown(self, timeout_s: float) -> FlushResult:
        """Flush, stop and switch off; decorated functions go on, unrecorded."""
        has_lock = self._lock.acquire(timeout=timeout_s)
        try:  # without the lock too: whoever holds it does not let go in time, and there is a deadline
            pipeline, self._settings = self.pipeline, None
            openers.turn_off()
            switch.carries_conversation, switch.deliver = False, None
            self._sigterm.turn(is_on=False)
        finally:
            if has_lock:
                self._lock.release()
        if pipeline is None or pipeline.is_closed:
            return FlushResult(ok=True)
        return pipeline.close(timeout_s)

    def stats(self) -> dict[str, Stats]:
        """Return the counts per exporter; after `shutdown`, those of what ran last."""
        pipeline, recorder = self.pipeline, self._recorder
        if pipeline is None or recorder is None:
            return {}
        counted = pipeline.stats()
        for stats in counted.values():
            if recorder.sampled_out:
                stats["ended"] += recorder.sampled_out
                stats["dropped"]["sampled"] = recorder.sampled_out
        return counted

    def at_exit(self) -> None:
        """Deliver what is left: give up after two seconds without progress, five in all, or at Ctrl-C."""
        pipeline = self.pipeline
        if pipeline is not None and not pipeline.is_closed:
            try:
                open_spans.end_all()
                pipeline.close(EXIT_TIMEOUT_S, EXIT_STALL_S)
            except KeyboardInterrupt:
                return

    def deliver(self) -> None:
        """Deliver what has ended, within the times of an exit; what comes later is recorded as ever."""
        pipeline = self.pipeline
        if pipeline is not None and not pipeline.is_closed:
            pipeline.settle(EXIT_TIMEOUT_S, EXIT_STALL_S)

    def at_sigterm(self, *, is_end: bool) -> None:
        """Deliver what is left; where this is not yet the end, each root that ends from here on may be the last."""
        pipeline, recorder = self.pipeline, self._recorder
        if is_end:
            self.at_exit()
        elif pipeline is not None and recorder is not None:
            self.deliver()
            recorder.sink = _delivering_roots(pipeline)

    def after_fork(self) -> None:
        """Start over in a child: another thread may have held the lock, and what was sampled out is the parent's."""
        self._lock = threading.RLock()
        if self._recorder is not None:
            self._recorder.sampled_out = 0
            _follow_multiprocessing(self)


def _delivering_roots(pipeline: Pipeline) -> Callable[[Span], object]:
    return RootFlush(pipeline, attrgetter("is_entry")).offer


def _measures(wanted: settings.Settings) -> list[Callable[[Span], object]]:
    """Return what is found out about opened spans beside what they tell: tokens, then what these cost."""
    measures: list[Callable[[Span], object]] = [TokenCounter().estimate] if wanted.estimate_tokens else []
    if wanted.costs:
        measures.append(Costs(wanted.costs if isinstance(wanted.costs, Mapping) else None).add)
    return measures


def _follow_multiprocessing(runtime: Runtime) -> None:
    """Deliver at the end of children of `multiprocessing`, too: unless they were spawned, they end without `atexit`.

    A child forgets what is to be done at its end when it begins, and then does what was registered for after a fork.
    """
    register = getattr(sys.modules.get("multiprocessing.util"), "register_after_fork", None)
    if register is not None:
        register(runtime, _at_end_of_child)
        _at_end_of_child(runtime)


def _at_end_of_child(runtime: Runtime) -> None:
    process, util = sys.modules["multiprocessing.process"], sys.modules["multiprocessing.util"]
    if process.parent_process() is not None:
        util.Finalize(None, runtime.at_exit, exitpriority=-100)


def _shown(path: Any) -> str:
    try:
        return str(os.path.relpath(path))
    except (TypeError, ValueError):
        return str(path)


runtime: Final = Runtime()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=runtime.after_fork)


def configure(
    *,
    service_name: str | None = None,
    exporters: Sequence[Any] | None = None,
    sample_rate: float | SampleRates | None = None,
    capture_content: bool | Literal["metadata"] | Mapping[str, bool | Literal["metadata"]] | None = None,
    redact: Redaction | Replace | bool | None = None,
    limits: Limits | None = None,
    processors: Iterable[Processor] = (),
    estimate_tokens: bool | None = None,
    costs: bool | Mapping[str, Price] | None = None,
    metrics: Literal["genai", "genai-1.41", "all"] | bool = True,
    resource: Mapping[str, Any] | None = None,
    flush_on: Literal["root", "never"] | None = None,
    flush_on_sigterm: bool | None = None,
    propagate_conversation: bool | None = None,
    spool_dir: str | os.PathLike[str] | None = None,
    spool_sync: Literal["never", "batch"] | None = None,
    spool_max_bytes: int | None = None,
    spool_max_age_s: float | None = None,
) -> None:
    """Start recording. Nothing touches disk or network, and no thread starts, before the first span.

    service_name: how backends name this application; else `CALLSPAN_SERVICE_NAME`, else `OTEL_SERVICE_NAME`.
    exporters: names ("file", "otlp", "http", "console", "memory", or what other packages bring) or objects; else
        `CALLSPAN_EXPORTERS`; else "otlp" where `OTEL_EXPORTER_OTLP_ENDPOINT` or its `_TRACES_` form is set, unless
        `OTEL_TRACES_EXPORTER` says "none" or another; else a file `.callspan/spans.jsonl` here, as stderr says once.
    sample_rate: share of traces, or `callspan.SampleRates`; else `CALLSPAN_SAMPLE_RATE`, `OTEL_TRACES_SAMPLER`, else 1.
    capture_content: False to record no prompts, answers, arguments, documents or exception texts, "metadata" for their
        types and sizes; or one of these by kind of span. Else `CALLSPAN_CAPTURE_CONTENT`, else
        `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`, else True.
    redact: what is replaced before anything leaves: a `callspan.Redaction`, or its `function`; False for nothing. By
        default, credentials are.
    limits: how much of a span is kept: a `callspan.Limits`; by default, 256 KiB of a value and 2 MiB of a span.
    processors: functions that get every finished span, in the worker, and return it, or None to drop it.
    estimate_tokens: True to count tokens where a provider reports none; else `CALLSPAN_ESTIMATE_TOKENS`, else False.
    costs: True to add what calls cost, by `genai-prices`, or first by your prices; else `CALLSPAN_COSTS`, else False.
    metrics: the conventions of metrics for OpenTelemetry's `MeterProvider`; "all": of unsampled traces, too; or False.
    resource: attributes of this process, beside those of `OTEL_RESOURCE_ATTRIBUTES`.
    flush_on: "root" to deliver at the end of each root span, on its thread, for two seconds at most: where processes
        are frozen then; else `CALLSPAN_FLUSH_ON`, else "root" on AWS Lambda and Google Cloud Run, "never" elsewhere.
    flush_on_sigterm: True to deliver what is left at SIGTERM, before a handler that is there has its turn, or the
        process ends; only from the main thread; else `CALLSPAN_FLUSH_ON_SIGTERM`, else False: no signal is touched.
    propagate_conversation: True to carry conversation, step and user ID in the `baggage` header, in `inject`, `extract`
        and the middleware, where these are not told otherwise; else `CALLSPAN_PROPAGATE_CONVERSATION`, else False.
    spool_dir: a folder in which spans for exporters that are not local outlive outages and the process, even one that
        is killed; the next process with the same folder delivers them. Else `CALLSPAN_SPOOL_DIR`, else none.
    spool_sync: "batch" to wait for the disk after each batch, so that a power cut loses nothing either; else
        `CALLSPAN_SPOOL_SYNC`, else "never".
    spool_max_bytes: what all processes may keep in that folder, the oldest goes first; else `CALLSPAN_SPOOL_MAX_BYTES`,
        else 256 MiB. At least 1 MiB.
    spool_max_age_s: after how many seconds undelivered spans are dropped; else `CALLSPAN_SPOOL_MAX_AGE_S`, else a week.

    Called again with equal arguments it does nothing; with others it swaps, and the old pipeline drains first. Raises
    `ConfigurationError` for an argument that cannot be meant; a wrong environment variable only warns. Does nothing
    while `CALLSPAN_DISABLED` or `OTEL_SDK_DISABLED` is true.
    """
    given = {**locals()}
    spool = spool_settings.read(*(given.pop(f"spool_{name}") for name in ("dir", "sync", "max_bytes", "max_age_s")))
    _run(settings.read(**given, spool=spool), are_exporters_given=exporters is not None)


def _run(wanted: settings.Settings, *, are_exporters_given: bool) -> None:
    """Run with these settings; what only the environment says, or the place it runs in, stops no application."""
    try:
        runtime.configure(wanted)
    except ConfigurationError as error:
        if are_exporters_given:
            raise
        guard.warn("CALLSPAN_EXPORTERS", f"callspan stays off: {error}")


def flush(timeout_s: float = 5.0) -> FlushResult:
    """Wait until every span that has ended is delivered, at most `timeout_s` seconds; true when all were."""
    return runtime.flush(settings.seconds("timeout_s", timeout_s))


def shutdown(timeout_s: float = 5.0) -> FlushResult:
    """Flush, close the exporters and stop recording; at most `timeout_s` seconds. Done at exit without being asked."""
    return runtime.shutdown(settings.seconds("timeout_s", timeout_s))


def stats() -> dict[str, Stats]:
    """Return what became of every span, per exporter; see `callspan.pipeline.counters.Stats`."""
    return runtime.stats()


def configure_from_environment() -> None:
    """Configure from the environment alone; what is wrong there is warned of and never raised."""
    configure()
