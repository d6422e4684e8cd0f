"""Spans to a local file: OTLP JSON Lines, one span a line, as the OpenTelemetry file exporter specifies."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

from callspan.dialects.contract import Dialect
from callspan.dialects.registry import resolve
from callspan.encoding import otlp_json
from callspan.environment import say_once
from callspan.errors import ConfigurationError
from callspan.exporters import paths
from callspan.exporters.appending import IS_SHARED, AppendedFile
from callspan.exporters.contract import Batch, ExportResult
from callspan.guard import guard
from callspan.model.resource import Resource
from callspan.policy import content_level

DEFAULT_PATH: Final = Path(paths.OUR_FOLDER) / "spans.jsonl"
_WRITE_BYTES: Final = 1_048_576
_MAX_BACKUPS: Final = 1000


class FileExporter:
    """Appends spans to `path`, created with mode 0600 in a folder of mode 0700.

    path: the file; `.callspan/spans.jsonl` below the working directory by default. Several processes may share it; on
        Windows each writes a file of its own, with its process ID in the name.
    dialects: "genai" (default), "genai-1.41", "openinference", or several.
    capture_content: False for spans without content, "metadata" for types and sizes instead of values.
    max_bytes: the size at which the file is renamed to `path.1`, `path.1` to `path.2` …; 0 for never.
    backups: how many renamed files are kept.

    Raises `ConfigurationError` when the path is a folder, a device, a pipe, a symbolic link or another user's, or
    cannot be written. What the disk does not take later is dropped, counted, and never counted as delivered.
    """

    local: Final = True

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        dialects: str | Dialect | Iterable[str | Dialect] = "genai",
        max_bytes: int = 256 * 1_048_576,
        backups: int = 3,
        capture_content: bool | Literal["metadata"] = True,
        name: str = "file",
    ) -> None:
        """Check that the path can be written, without creating the file."""
        if type(max_bytes) is not int or max_bytes < 0:
            raise ConfigurationError("max_bytes", max_bytes, "give a whole number from 0")
        if type(backups) is not int or not 0 <= backups <= _MAX_BACKUPS:
            raise ConfigurationError("backups", backups, f"give a whole number from 0 to {_MAX_BACKUPS}")
        if type(name) is not str or not name:
            raise ConfigurationError("name", name, "give a string that is not empty")
        self.name = name
        self.capture_content = content_level("capture_content", capture_content)
        self._dialects = resolve(dialects)
        self.path = paths.checked(_of_process(DEFAULT_PATH if path is None else _as_path(path)))
        self._file = AppendedFile(self.path, max_bytes, backups)
        self._envelope: tuple[Resource, otlp_json.Envelope] | None = None

    def export(self, batch: Batch) -> ExportResult:
        """Append the spans; what the disk does not take is dropped and counted."""
        around = self._around(batch.resource)
        result = ExportResult()
        lines: list[bytes] = []
        size = 0
        for span in batch.spans:
            try:
                line = otlp_json.line(span, around, self._dialects)
            except Exception as error:  # noqa: BLE001 - one odd span must not cost the others
                result.rejected += 1
                result.reason = "a span cannot be written as JSON"
                guard.note("writing a span as JSON", error)
                continue
            if lines and size + len(line) > _WRITE_BYTES:
                self._append(lines, result)
                lines, size = [], 0
            lines.append(line)
            size += len(line)
        self._append(lines, result)
        return result

    def close(self) -> None:
        """Close the file; a later `export` opens it again."""
        self._file.close()

    def _around(self, resource: Resource) -> otlp_json.Envelope:
        if self._envelope is None or self._envelope[0] is not resource:
            self._envelope = (resource, otlp_json.envelope(resource, self._dialects))
        return self._envelope[1]

    def _append(self, lines: list[bytes], result: ExportResult) -> None:
        if not lines:
            return
        written, error = self._file.append(b"".join(lines))
        for line in lines:
            written -= len(line)
            if written < 0:
                break
            result.delivered += 1
        if error is not None:
            result.reason = error.strerror or str(error)


def default_exporter() -> FileExporter:
    """Return an exporter for the default file, below the temporary folder where it cannot be written; said once."""
    try:
        return FileExporter()
    except ConfigurationError:
        exporter = FileExporter(_temporary_folder() / DEFAULT_PATH.name)
    say_once(f"callspan: {DEFAULT_PATH} cannot be written here; spans go to {exporter.path}")
    return exporter


def _temporary_folder() -> Path:
    """Return a folder for files of ours that others cannot have prepared."""
    import tempfile  # noqa: PLC0415 - rarely needed, and it loads a lot

    try:
        owner = f"callspan-{os.getuid()}" if hasattr(os, "getuid") else "callspan"
        folder = Path(tempfile.gettempdir()) / owner
        return folder if paths.is_private_folder(folder) else Path(tempfile.mkdtemp(prefix="callspan-"))
    except OSError as error:
        raise ConfigurationError("exporters", "file", f"no folder can be written ({type(error).__name__})") from None


def _as_path(given: Any) -> Path:
    text = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(text, str) or not text:
        raise ConfigurationError("path", given, "give the path of a file")
    return Path(text)


def _of_process(path: Path) -> Path:
    """Give each process a file of its own where they cannot share one."""
    return path if IS_SHARED else path.with_stem(f"{path.stem}-{os.getpid()}")
