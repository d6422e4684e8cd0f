"""Spans to a local file: OTLP JSON Lines, one span a line, as the OpenTelemetry file exporter specifies.

Lines are appended whole, under an advisory lock where the system has one, so that several processes may share a file.
On Windows each process writes a file of its own. A short write is taken back, so a full disk leaves no half line.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from callspan.dialects.contract import Dialect
from callspan.dialects.registry import resolve
from callspan.encoding import otlp_json
from callspan.errors import ConfigurationError
from callspan.exporters.contract import Batch, ExportResult
from callspan.exporters.rotation import rotate
from callspan.model.resource import Resource

if sys.platform == "win32":  # pragma: no cover - no advisory locks; each process has its own file there
    fcntl = None
else:
    import fcntl

DEFAULT_PATH: Final = Path(".callspan") / "spans.jsonl"
_WRITE_BYTES: Final = 1_048_576
_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_NON_BLOCKING: Final = getattr(os, "O_NONBLOCK", 0)


class FileExporter:
    """Appends spans to `path`, created with mode 0600 in a folder of mode 0700.

    path: the file; `.callspan/spans.jsonl` below the working directory by default.
    dialects: "genai" (default), "genai-1.41", "openinference", or several.
    max_bytes: the size at which the file is renamed to `path.1`, `path.1` to `path.2` …; 0 for never.
    backups: how many renamed files are kept.

    Raises `ConfigurationError` when the path is a folder, a device, a pipe or a symbolic link, or cannot be written.
    """

    local: Final = True

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        dialects: str | Dialect | Iterable[str | Dialect] = "genai",
        max_bytes: int = 256 * 1_048_576,
        backups: int = 3,
        name: str = "file",
    ) -> None:
        """Check that the path can be written, without creating the file."""
        if path is not None and not isinstance(path, str | os.PathLike):
            raise ConfigurationError("path", path, "give a file path")
        for field, value in (("max_bytes", max_bytes), ("backups", backups)):
            if type(value) is not int or value < 0:
                raise ConfigurationError(field, value, "give a whole number from 0")
        self.name = name
        self._dialects = resolve(dialects)
        self._max_bytes = max_bytes
        self._backups = backups
        self.path = _checked(_own_path(Path(path or DEFAULT_PATH).absolute()))
        self._descriptor: int | None = None
        self._envelope: tuple[Resource, otlp_json.Envelope] | None = None

    def export(self, batch: Batch) -> ExportResult:
        """Append the spans; what the disk does not take is dropped and counted."""
        around = self._around(batch.resource)
        result = ExportResult()
        lines: list[bytes] = []
        size = 0
        for span in batch.spans:
            line = otlp_json.line(span, around, self._dialects)
            if lines and size + len(line) > _WRITE_BYTES:
                self._append(lines, result)
                lines, size = [], 0
            lines.append(line)
            size += len(line)
        self._append(lines, result)
        return result

    def close(self) -> None:
        """Close the file; a later `export` opens it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _around(self, resource: Resource) -> otlp_json.Envelope:
        if self._envelope is None or self._envelope[0] is not resource:
            self._envelope = (resource, otlp_json.envelope(resource, self._dialects))
        return self._envelope[1]

    def _append(self, lines: list[bytes], result: ExportResult) -> None:
        try:
            written = self._write(b"".join(lines))
        except OSError as error:
            result.reason = f"file: {error.strerror or type(error).__name__}"
            self.close()
            return
        whole = 0
        for line in lines:
            written -= len(line)
            if written < 0:
                result.reason = "file: no space left"
                break
            whole += 1
        result.delivered += whole

    def _write(self, data: bytes) -> int:
        """Write, under the lock; return how many bytes of whole lines the file took."""
        descriptor = self._locked(len(data))
        try:
            start = os.fstat(descriptor).st_size
            written = 0
            while written < len(data):
                try:
                    count = os.write(descriptor, data[written:] if written else data)
                except OSError:
                    break
                written += count
            if written < len(data):
                whole = data.rfind(b"\n", 0, written) + 1
                os.ftruncate(descriptor, start + whole)
                return whole
            return written
        finally:
            _unlock(descriptor)

    def _locked(self, count: int) -> int:
        """Return the open, locked file that stands at the path now, after rotating it where that is due."""
        for _ in range(8):
            descriptor = self._descriptor if self._descriptor is not None else self._open()
            self._descriptor = descriptor
            _lock(descriptor)
            here = os.fstat(descriptor)
            if not _is_at(self.path, here):  # moved or deleted meanwhile, by us or by somebody else
                _unlock(descriptor)
                self.close()
                continue
            if self._max_bytes and here.st_size and here.st_size + count > self._max_bytes:
                rotate(self.path, self._backups)
                _unlock(descriptor)
                self.close()
                continue
            return descriptor
        message = "the file keeps being moved away"
        raise OSError(message)

    def _open(self) -> int:
        _make_folder(self.path.parent)
        descriptor = os.open(self.path, _FLAGS | _NON_BLOCKING, 0o600)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            message = "not a regular file"
            raise OSError(message)
        return descriptor


def default_exporter() -> FileExporter:
    """Return an exporter for the default file, below the temporary folder where the working directory is read-only."""
    try:
        return FileExporter()
    except ConfigurationError:
        owner = f"callspan-{os.getuid()}" if hasattr(os, "getuid") else "callspan"
        return FileExporter(Path(tempfile.gettempdir()) / owner / DEFAULT_PATH.name)


def _own_path(path: Path) -> Path:
    return path.with_stem(f"{path.stem}-{os.getpid()}") if fcntl is None else path


def _checked(path: Path) -> Path:
    """Refuse what could never be written, while somebody is there to read the message."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise ConfigurationError("path", path, f"{str(path)!r} cannot be used ({type(error).__name__})") from None
    else:
        if not stat.S_ISREG(mode):
            raise ConfigurationError("path", path, f"{str(path)!r} is not a regular file; give the path of a file")
        if not os.access(path, os.W_OK):
            raise ConfigurationError("path", path, f"{str(path)!r} cannot be written; change its permissions")
        return path
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError("path", path, f"{str(folder)!r} is no folder that can be written; choose another")
    return path


def _make_folder(folder: Path) -> None:
    """Make the folder, private and out of version control where it is our own."""
    if folder.is_dir():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.name == DEFAULT_PATH.parent.name:
        (folder / ".gitignore").write_text("*\n", encoding="ascii")


def _is_at(path: Path, here: os.stat_result) -> bool:
    try:
        there = os.lstat(path)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _unlock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
