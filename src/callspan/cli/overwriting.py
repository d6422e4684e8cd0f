"""Keeps a command from writing over what it reads, and over files of spans, which nobody could make again."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

from callspan.errors import CallspanError
from callspan.reading.files import LoadReport, read_lines
from callspan.reading.load import spans_of

_LINES: Final = 100
"""How many lines of a file are looked at: a dataset of a gigabyte may well be written again."""


def check_free(option: str, out: Path | None, *inputs: str | Path | None) -> None:
    """Raise `CallspanError` where `out`, given by `option`, is one of the inputs or holds spans; None is no file."""
    if out is None or not out.is_file():
        return
    if any(_is_same(out, given) for given in inputs):
        raise CallspanError(f"{option} {out}: that is what is read, and would be gone; give another file")
    if _holds_spans([out]):
        raise CallspanError(f"{option} {out}: there are spans in it, which would be gone; give another file")


def _is_same(out: Path, given: str | Path | None) -> bool:
    try:
        return given is not None and out.samefile(given)
    except OSError:  # a glob, or not there: who reads it says so
        return False


def _holds_spans(files: Iterable[Path]) -> bool:
    report = LoadReport()
    return any(True for line in islice(read_lines(files, report), _LINES) for _ in spans_of(line, report))
