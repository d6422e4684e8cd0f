"""What an exporter is: `export(batch) -> ExportResult` and `close()`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from callspan.model.resource import Resource
from callspan.model.span import Span


@dataclass(frozen=True, slots=True)
class Batch:
    """Finished spans, redacted and limited, with their facts filled; and the process they come from."""

    spans: Sequence[Span]
    resource: Resource


@dataclass(slots=True)
class ExportResult:
    """What became of a batch: `delivered + rejected + len(retry)` is its length.

    `rejected` will never be taken and is counted under `reason`; the spans in `retry` are offered again, no sooner than
    `retry_after_s` when the receiver named a time. `suspicious` counts acknowledgements that do not look like one.
    """

    delivered: int = 0
    rejected: int = 0
    retry: Sequence[Span] = ()
    retry_after_s: float | None = None
    reason: str | None = None
    suspicious: int = 0


@runtime_checkable
class Exporter(Protocol):
    """A place spans go to. `local` exporters run in the worker itself, all others in a sender thread of their own.

    One with an attribute `durable = False` gets nothing from a spool, since nobody misses what it did not show.
    `export` may raise: the batch is then counted as dropped, and the other exporters do not notice.
    """

    name: str

    @property
    def local(self) -> bool:
        """Whether `export` only ever takes as long as this machine's disk and memory do."""

    def export(self, batch: Batch) -> ExportResult:
        """Deliver the batch, or say what is to be done with it."""

    def close(self) -> None:
        """Release files and connections; called once, after the last `export`."""
