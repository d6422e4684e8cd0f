"""Spans to any OTLP receiver over HTTP: as protobuf, or as JSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal

from callspan.dialects.contract import Dialect
from callspan.dialects.registry import resolve
from callspan.encoding import otlp_json, otlp_proto
from callspan.errors import ConfigurationError
from callspan.exporters import otlp_settings
from callspan.exporters.answers import Receipt, read_otlp
from callspan.exporters.contract import Batch, ExportResult
from callspan.exporters.hints import Hints
from callspan.exporters.otlp_settings import Protocol
from callspan.exporters.outcomes import Answer
from callspan.exporters.splitting import Splitter
from callspan.exporters.transport import Transport
from callspan.guard import logger
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.policy import content_level

Write = Callable[[Sequence[Span], Resource, Sequence[Dialect]], bytes]

_ENCODINGS: Final = {"http/protobuf": otlp_proto, "http/json": otlp_json}


class OTLPExporter:
    """Sends spans to an OTLP receiver: a Collector, or any backend that speaks OTLP over HTTP.

    What is not given is taken from `OTEL_EXPORTER_OTLP_TRACES_*`, then from `OTEL_EXPORTER_OTLP_*`.

    endpoint: the URL; without a path, `/v1/traces` is added. `http://localhost:4318/v1/traces` by default.
    headers: sent with every request, such as the backend's key. Given ones replace those of the environment.
    protocol: "http/protobuf" (default) or "http/json". For gRPC, hand an OpenTelemetry exporter to callspan.
    compression: "gzip", or "none" (default).
    timeout_s: what one attempt may take, 10 by default. The variables are in milliseconds.
    dialects: "genai" (default), "genai-1.41", "openinference", or several.
    capture_content: False for spans without content, "metadata" for types and sizes instead of values.
    certificate_file, client_certificate_file, client_key_file: PEM files: the authorities to trust instead of the
        usual ones; the certificate to appear with, and its key unless it stands in the same file.
    verify: False to send to whoever answers; warned of.

    Raises `ConfigurationError` for an argument that cannot be meant; a wrong variable only warns. Nothing is connected
    before the first export. Spans that are rejected or too large are counted, and why is logged once.
    """

    local: Final = False

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        protocol: Protocol | None = None,
        compression: Literal["gzip", "none"] | None = None,
        timeout_s: float | None = None,
        dialects: str | Dialect | Iterable[str | Dialect] = "genai",
        certificate_file: str | os.PathLike[str] | None = None,
        client_certificate_file: str | os.PathLike[str] | None = None,
        client_key_file: str | os.PathLike[str] | None = None,
        verify: bool = True,
        capture_content: bool | Literal["metadata"] = True,
        name: str = "otlp",
    ) -> None:
        """Check everything that can be checked without the network."""
        if type(name) is not str or not name:
            raise ConfigurationError("name", name, "give a string that is not empty")
        settings = otlp_settings.read(
            endpoint,
            headers=headers,
            protocol=protocol,
            compression=compression,
            timeout_s=timeout_s,
            certificate_file=certificate_file,
            client_certificate_file=client_certificate_file,
            client_key_file=client_key_file,
            verify=verify,
        )
        encoding = _ENCODINGS[settings.protocol]
        self.name = name
        self.capture_content = content_level("capture_content", capture_content)
        self.endpoint = settings.address.shown
        self._dialects = resolve(dialects)
        self._hints = Hints(name)
        self._transport = Transport(
            settings.address,
            headers={**settings.headers, "content-type": encoding.CONTENT_TYPE},
            tls=settings.tls,
            hints=self._hints,
            timeout_s=settings.timeout_s,
            compression=settings.compression,
        )
        self._write: Write = encoding.request
        self._splitter = Splitter(self._encode, self._transport.post, self._read)

    def export(self, batch: Batch) -> ExportResult:
        """Send the spans once; what is worth another attempt is in the result."""
        return self._splitter.deliver(batch)

    def close(self) -> None:
        """Close the connections; a later `export` opens new ones."""
        self._transport.close()

    def _encode(self, spans: Sequence[Span], resource: Resource) -> bytes:
        return self._write(spans, resource, self._dialects)

    def _read(self, answer: Answer, count: int) -> Receipt:
        receipt = read_otlp(answer, count)
        if receipt.is_suspicious:
            told = "cannot be read" if answer.body is None else f"is no OTLP ({len(answer.body)} bytes)"
            self._hints.once(
                "suspicious", f"{self.endpoint} takes spans with an answer that {told}; is it the right address?"
            )
        elif receipt.rejected:
            self._hints.once("partial", f"{self.endpoint} rejected {receipt.rejected} of {count} spans")
        elif receipt.is_notice:
            logger.debug("%s: %s has a notice, which is not shown", self.name, self.endpoint)
        return receipt
