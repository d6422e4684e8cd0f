"""One of every exporter at once, and a search through all that they produced: for the tests of what may not leave."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import callspan
from callspan.exporters import (
    ConsoleExporter,
    FileExporter,
    HTTPExporter,
    MemoryExporter,
    OtelExporter,
    OTLPExporter,
)
from planted import MARKS, texts, trees, word
from planted import plain as plain_tree
from receiver import Receiver, Reply


class Secrets:
    """Secrets to plant, one after the other; `count` is how many were handed out."""

    def __init__(self) -> None:
        self._texts = texts()
        self._trees = trees()
        self.count = 0

    def text(self) -> str:
        """Return a text with a secret in it."""
        self.count += 1
        return next(self._texts)

    def tree(self) -> Any:
        """Return a tree with a secret in it: tuples and objects among it."""
        self.count += 1
        return next(self._trees)

    def plain(self) -> Any:
        """Return a tree with a secret in it, of what JSON has."""
        return plain_tree(self.tree())


class Leaked:
    """Everything that was produced: files, requests, the console, records, what OpenTelemetry's SDK was handed."""

    def __init__(self, folder: Path, receivers: list[Receiver]) -> None:
        self.folder = folder
        self.receivers = receivers
        self.console = io.StringIO()
        self.memory = MemoryExporter()
        self.sdk = InMemorySpanExporter()
        self.processed = InMemorySpanExporter()

    def configure(self, **rules: Any) -> None:
        """Record with one of every exporter; the last receiver is down, so its spans stay in the spool."""
        plain, packed, records, down = self.receivers
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(self.processed))
        callspan.configure(
            service_name="shop",
            resource={"deployment.api_key": word(9001), "note": f"password={word(9002)}"},
            exporters=[
                FileExporter(self.folder / "spans.jsonl", dialects=["genai", "openinference"]),
                OTLPExporter(plain.url, protocol="http/json", name="plain"),
                OTLPExporter(packed.url, compression="gzip", dialects=["genai", "openinference"], name="packed"),
                HTTPExporter(records.url, name="records"),
                OTLPExporter(down.url, name="down"),
                ConsoleExporter(self.console, io=True, dialects=["genai", "openinference"]),
                OtelExporter(self.sdk, dialects=["genai", "openinference"]),
                OtelExporter(provider, name="provider"),
                self.memory,
            ],
            spool_dir=self.folder / "spool",
            **rules,
        )

    def bodies(self) -> Iterator[tuple[str, bytes]]:
        """Yield what was produced, by name, in raw bytes; what was sent gzipped, unpacked."""
        for path in self.folder.rglob("*"):
            if path.is_file():
                yield str(path.relative_to(self.folder)), path.read_bytes()
        for number, receiver in enumerate(self.receivers):
            for request in receiver.requests:
                yield f"request to {number}", request.content + repr(request.headers).encode()
        yield "console", self.console.getvalue().encode()
        yield "records", "".join(record.model_dump_json() for record in self.memory.spans).encode()
        yield "repr", repr([*self.memory.spans, callspan.stats()]).encode()
        for name, handed in (("sdk", self.sdk), ("provider", self.processed)):
            spans = handed.get_finished_spans()
            told = [json.loads(span.to_json()) for span in spans]
            yield name, json.dumps(told, ensure_ascii=False).encode("utf-8", "surrogatepass")

    def found(self, *more: tuple[str, bytes]) -> list[tuple[str, bytes, bytes]]:
        """Return where a secret stands: in what, which, and what stands around it."""
        return [
            (name, mark, body[max(body.find(mark) - 200, 0) : body.find(mark) + 60])
            for name, body in (*self.bodies(), *more)
            for mark in MARKS
            if mark in body
        ]

    def check_that_all_have_something(self) -> None:
        """Fail where an exporter produced nothing: a search through nothing finds nothing."""
        sizes: dict[str, int] = {}
        for name, body in self.bodies():
            key = name.partition("/")[0]
            sizes[key] = sizes.get(key, 0) + len(body)
        expected = {"spans.jsonl", "spool", "console", "records", "sdk", "provider", "repr"}
        expected |= {f"request to {number}" for number in range(4)}
        assert {name for name, size in sizes.items() if size > 1_000} >= expected, sizes


@contextmanager
def leaking(folder: Path) -> Iterator[Leaked]:
    """Give everything a place to leave to."""
    with ExitStack() as stack:
        yield Leaked(folder, [stack.enter_context(Receiver(*replies)) for replies in ((), (), (), (Reply(503),))])
