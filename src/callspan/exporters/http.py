"""Spans to any URL, as JSON of callspan's own: `SpanRecord`, the form in which they are read back everywhere else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

from callspan.dialects.contract import Dialect
from callspan.dialects.json_text import clean, to_json
from callspan.dialects.merge import attributes
from callspan.dialects.registry import resolve
from callspan.environment import Environment
from callspan.errors import ConfigurationError
from callspan.exporters import addresses, headers, tls
from callspan.exporters.addresses import Address
from callspan.exporters.answers import SUSPICIOUS, Receipt
from callspan.exporters.contract import Batch, ExportResult
from callspan.exporters.hints import Hints
from callspan.exporters.otlp_settings import checked_compression, checked_timeout
from callspan.exporters.outcomes import Answer
from callspan.exporters.splitting import Splitter, UnwritableError
from callspan.exporters.transport import Transport
from callspan.forks import forks
from callspan.model.resource import Resource
from callspan.model.span import Span
from callspan.policy import content_level

Format = Literal["json", "ndjson"]
Transform = Callable[[list[dict[str, Any]]], Any]

_CONTENT_TYPES: Final[dict[str, str]] = {"json": "application/json", "ndjson": "application/x-ndjson"}


class HTTPExporter:
    """Posts spans to a URL as JSON: each a `callspan.model.record.SpanRecord` with its `schema_version`.

    url: where to, else `CALLSPAN_HTTP_URL`; its userinfo becomes an `Authorization` header.
    headers: sent with every request, else those of `CALLSPAN_HTTP_HEADERS`, written as `name=value,name=value`. A
        `Content-Type` replaces that of the format.
    format: "json", a list of records; or "ndjson", a record a line.
    transform: `callable(records) → value`: what to send instead of these records, which are plain dictionaries and the
        function's own. With "ndjson" it returns the values for the lines. It runs in the sending thread, once for each
        request; when it raises, the spans are counted as rejected.
    dialects: "genai", "genai-1.41", "openinference", or several: the records' `attributes` then hold everything in that
        spelling, as OTLP would. None, the default, leaves in them what has no field of its own.
    capture_content: False for spans without content, "metadata" for types and sizes instead of values.
    compression: "gzip", or None.
    timeout_s, certificate_file, client_certificate_file, client_key_file, verify: as for `OTLPExporter`.

    Any 2xx answer counts as delivered. Raises `ConfigurationError` for an argument that cannot be meant.
    """

    local: Final = False

    def __init__(
        self,
        url: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        format: Format = "json",  # noqa: A002 - the word for it
        transform: Transform | None = None,
        dialects: str | Dialect | Iterable[str | Dialect] | None = None,
        timeout_s: float = 10.0,
        compression: Literal["gzip", "none"] | None = None,
        certificate_file: str | os.PathLike[str] | None = None,
        client_certificate_file: str | os.PathLike[str] | None = None,
        client_key_file: str | os.PathLike[str] | None = None,
        verify: bool = True,
        capture_content: bool | Literal["metadata"] = True,
        name: str = "http",
    ) -> None:
        """Check everything that can be checked without the network."""
        if type(name) is not str or not name:
            raise ConfigurationError("name", name, "give a string that is not empty")
        if format not in get_args(Format):
            raise ConfigurationError("format", format, 'give "json" or "ndjson"')
        if transform is not None and not callable(transform):
            raise ConfigurationError("transform", transform, "give a function from a list of records to what is sent")
        address = _address(url)
        self.name = name
        self.capture_content = content_level("capture_content", capture_content)
        self.url = address.shown
        self._hints = Hints(name)
        self._transform = transform
        self._dialects = None if dialects is None else resolve(dialects)
        self._format = format
        self._transport = Transport(
            address,
            headers=_with_type(_headers(headers), _CONTENT_TYPES[format]),
            tls=tls.checked(certificate_file, client_certificate_file, client_key_file, verify),
            hints=self._hints,
            timeout_s=checked_timeout(timeout_s),
            compression=checked_compression(compression),
        )
        self._splitter = Splitter(self._encode, self._transport.post, self._read)

    def export(self, batch: Batch) -> ExportResult:
        """Send the spans once; what is worth another attempt is in the result."""
        return self._splitter.deliver(batch)

    def close(self) -> None:
        """Close the connections; a later `export` opens new ones."""
        self._transport.close()

    def _encode(self, spans: Sequence[Span], resource: Resource) -> bytes:
        with forks.kept_off():
            from callspan.model.record import SpanRecord  # noqa: PLC0415 - pydantic, in the sending thread

        records = [SpanRecord.from_span(span, resource) for span in spans]
        if self._dialects is not None:
            records = [
                record.model_copy(update={"attributes": attributes(span, self._dialects)})
                for span, record in zip(spans, records, strict=True)
            ]
        lines = [record.to_json() for record in records]
        if self._transform is not None:
            return self._transformed(lines)
        text = "[" + ",".join(lines) + "]" if self._format == "json" else _joined(lines)
        return text.encode()

    def _transformed(self, lines: Sequence[str]) -> bytes:
        """Let the user's function make what is sent; its copies of the records are nobody else's."""
        assert self._transform is not None
        try:
            value = self._transform([json.loads(line) for line in lines])
            # Copied first: others may hold parts of it, and change them while they are written.
            text = to_json(clean(value)) if self._format == "json" else _joined(to_json(clean(it)) for it in value)
        except Exception as error:
            self._hints.once("transform", f"transform raised {type(error).__name__}; those spans are not sent")
            raise UnwritableError("transform failed") from error
        return text.encode()

    def _read(self, answer: Answer, _count: int) -> Receipt:
        if answer.body and answer.content_type.lower().startswith("text/html"):
            self._hints.once("suspicious", f"{self.url} answers with a page of HTML; is it the right address?")
            return SUSPICIOUS
        return Receipt()


def _address(given: Any) -> Address:
    if given is not None:
        return addresses.checked(given, "url")
    found = Environment(os.environ).read("CALLSPAN_HTTP_URL", addresses.parse)
    if found is None:
        raise ConfigurationError("url", given, "give the URL to post to, or set CALLSPAN_HTTP_URL")
    return found


def _headers(given: Any) -> dict[str, str]:
    if given is not None:
        return headers.checked(given)
    variable = "CALLSPAN_HTTP_HEADERS"
    return Environment(os.environ).read(variable, lambda raw: headers.read_pairs(variable, raw)) or {}


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _with_type(headers: dict[str, str], content_type: str) -> dict[str, str]:
    """Say what the body is, unless the user does."""
    is_said = any(name.lower() == "content-type" for name in headers)
    return headers if is_said else {**headers, "content-type": content_type}
