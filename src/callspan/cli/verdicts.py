"""Verdicts on their way out: as feedback on what was judged, to a file or through exporters, each of them once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import callspan
from callspan import settings
from callspan.errors import CallspanError
from callspan.evaluation.running import Result
from callspan.exporters.contract import Batch, Exporter, ExportResult
from callspan.model.feedback import COMPONENT as FEEDBACK
from callspan.model.span import Span
from callspan.reading.feedback import GivenFeedback

SERVICE: Final = "callspan-evaluate"
"""The service name of verdicts and of what judges did."""

_KEY: Final = "callspan evaluate"  # of several runs, the last verdict counts
_FLUSHED_EVERY: Final = 1_000  # verdicts; far less than the queue holds
_PATIENCE_S: Final = 60.0
Told = tuple[float | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Places:
    """Where results go by default: verdicts beside the spans, and what judges did into a folder of its own.

    So a report about a folder of spans shows the verdicts, and not the tokens of judges.
    """

    verdicts: Path
    judges: Path

    @classmethod
    def beside(cls, spans: Path, output: Path | None) -> Places:
        """Return the places for a file or a folder of spans; `output` is the file for verdicts, if it was named."""
        if output is None and not spans.exists():  # a glob
            raise CallspanError(f"{spans} is no file and no folder: say where verdicts go with --output FILE")
        stem = "spans" if spans.is_dir() else spans.stem
        if output is None:
            output = spans / "evaluations.jsonl" if spans.is_dir() else spans.with_name(f"{stem}.evaluations.jsonl")
        return cls(output, output.parent / "judges" / f"{stem}.jsonl")


class Part:
    """Hands on some spans to an exporter; the others count as delivered, since they are wanted elsewhere."""

    def __init__(self, exporter: Exporter, wants: Callable[[Span], bool]) -> None:
        """Stand before `exporter`."""
        self.name = exporter.name
        self.local = exporter.local
        self._exporter, self._wants = exporter, wants

    def export(self, batch: Batch) -> ExportResult:
        """Deliver what is wanted."""
        wanted = [span for span in batch.spans if self._wants(span)]
        result = self._exporter.export(Batch(wanted, batch.resource)) if wanted else ExportResult()
        result.delivered += len(batch.spans) - len(wanted)
        return result

    def close(self) -> None:
        """Close the exporter."""
        self._exporter.close()


def start_recording(places: Places | None, exporters: Sequence[Any]) -> None:
    """Switch callspan on, for verdicts and the calls of judges. Raises `CallspanError` where that cannot be."""
    if settings.is_disabled():
        raise CallspanError("CALLSPAN_DISABLED or OTEL_SDK_DISABLED is set, so no verdict could be recorded")
    from callspan.exporters import FileExporter  # noqa: PLC0415 - not for --help

    chosen = [*exporters]
    if places is not None:
        chosen += [
            Part(FileExporter(places.verdicts, name="verdicts"), lambda span: span.component == FEEDBACK),
            Part(FileExporter(places.judges, name="judges"), lambda span: span.component != FEEDBACK),
        ]
    for name in ("feedback", "flush", "span", "stats"):  # loaded now, and not while the worker loads what it needs
        getattr(callspan, name)
    callspan.configure(
        service_name=SERVICE, exporters=chosen, sample_rate=1.0, flush_on="never", capture_content=True, costs=None
    )


class Recording:
    """Records verdicts as they come. Those that are there already, with the same words, are left alone."""

    def __init__(self, conversation_level: Iterable[str], before: Iterable[GivenFeedback]) -> None:
        """Know which scores are about whole conversations, and what an earlier run has written."""
        self._about_conversations = frozenset(conversation_level)
        self._before: Mapping[tuple[Any, ...], Told] = {
            (*one.place, one.name): (one.score, one.label, one.comment) for one in before if one.id == _KEY
        }
        self.written = self.already = 0

    def take(self, result: Result) -> None:
        """Record a verdict; an error is none."""
        score, record = result.score, result.record
        if score.error is not None:
            return
        told: Told = (score.score, score.label, score.explanation or None)
        is_about_all = score.name in self._about_conversations
        place: tuple[Any, ...] = (
            ("conversation", record.conversation_id, None)
            if is_about_all
            else ("span", record.trace_id, record.span_id)
        )
        if self._before.get((*place, score.name)) == told:
            self.already += 1
            return
        about: dict[str, Any] = {"conversation": record.conversation_id} if is_about_all else {"span": record}
        callspan.feedback(
            **about,
            name=score.name,
            score=score.score,
            label=score.label or None,
            comment=score.explanation or None,
            annotator=score.by,
            idempotency_key=_KEY,
        )
        self.written += 1
        if self.written % _FLUSHED_EVERY == 0:
            callspan.flush(_PATIENCE_S)


def stop_recording() -> list[str]:
    """Deliver everything and switch off; return what was not delivered, in words, by exporter."""
    callspan.flush(_PATIENCE_S)
    callspan.shutdown(_PATIENCE_S)
    return [
        f"{name}: {lost:,} not delivered"
        for name, told in callspan.stats().items()
        if (lost := told["rejected"] + sum(told["dropped"].values()) + told["buffered"])
    ]
