"""Writes a dataset: each example once, conversations kept together, and a card that says what is in it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from callspan.datasets.evaluation_rows import COLUMNS
from callspan.datasets.examples import digest_of
from callspan.datasets.making import Made, csv_line, written
from callspan.datasets.preferences import pairs
from callspan.reading.tables import import_arrow

Tree = dict[str, Any]

_ROWS_AT_ONCE: Final = 2_000
_WRITTEN_AT_ONCE: Final = 1 << 20
_PARTS: Final = 10_000


@dataclass(slots=True)
class Card:
    """What became of the calls: examples by file, and by what tells them apart; what was left out, by reason."""

    examples: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    redacted: int = 0
    by: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in ("kind", "model", "prompt", "label")}
    )
    sha256: dict[str, str] = field(default_factory=dict)

    def count(self, file: str, facts: Tree) -> None:
        """Count one example."""
        self.examples[file] += 1
        prompt = " ".join(filter(None, (facts["prompt_name"], facts["prompt_version"])))
        for name, counter in self.by.items():
            value = prompt if name == "prompt" else facts[name]
            if value:
                counter[value] += 1

    def as_json(self, told: Tree) -> str:
        """Return the card as a JSON text, below what is `told` of how the dataset was made."""
        counts = {
            "examples": dict(self.examples),
            "duplicates": self.duplicates,
            "refused": dict(self.refused.most_common()),
            "redacted_values": self.redacted,
            "by": {name: dict(counter.most_common(50)) for name, counter in self.by.items() if counter},
            "sha256": self.sha256,
        }
        return json.dumps({**told, **counts}, ensure_ascii=False, indent=2) + "\n"


def write_dataset(made: Iterable[tuple[Tree, Made]], form: str, out: Path, *, split: float = 0.0) -> Card:
    """Write what was made of calls in one of `FORMATS`, beside their facts; a file is there as a whole or not at all.

    split: the share of conversations (calls without one count by trace) that goes into a second file beside `out`,
        `NAME.validation.SUFFIX`; which they are follows from their IDs, so it is the same every time.
    """
    card = Card()
    names = [out, *([out.with_name(f"{out.stem}.validation{out.suffix}")] if split else [])]
    writers = [_WRITERS.get(form, _Lines)(Path(f"{name}.part")) for name in names]
    seen: set[bytes] = set()
    try:
        for facts, content, digest in _examples(made, form, card):
            if digest in seen:
                card.duplicates += 1
                continue
            seen.add(digest)
            number = 1 if split and _is_validation(facts, split) else 0
            writers[number].write(content)
            card.count(names[number].name, facts)
        for writer, name in zip(writers, names, strict=True):
            writer.close()
            writer.path.replace(name)
            card.sha256[name.name] = _sha256(name)
    finally:
        for writer in writers:
            writer.close()
            writer.path.unlink(missing_ok=True)
    return card


def _examples(made: Iterable[tuple[Tree, Made]], form: str, card: Card) -> Iterator[tuple[Tree, Any, bytes]]:
    """Yield facts, content and digest of what is an example; the card counts what is none."""
    good = _not_refused(made, card)
    if form != "preference":
        yield from ((facts, one.content, one.digest) for facts, one in good)
        return
    for facts, pair in pairs(((facts, one.content) for facts, one in good), card.refused):
        yield facts, written(pair, form), digest_of(pair)


def _not_refused(made: Iterable[tuple[Tree, Made]], card: Card) -> Iterator[tuple[Tree, Made]]:
    for facts, one in made:
        card.redacted += one.redacted
        if one.refused is not None:
            card.refused[one.refused] += 1
        elif one.content is not None:
            yield facts, one


def _is_validation(facts: Tree, share: float) -> bool:
    group = facts["conversation_id"] or facts["trace_id"]
    told = hashlib.sha256(str(group).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(told[:8], "big") % _PARTS < share * _PARTS


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        told = hashlib.sha256()
        while some := stream.read(1 << 20):
            told.update(some)
    return told.hexdigest()


class _Lines:
    """Lines of text that are ready to be written."""

    def __init__(self, path: Path, head: str = "") -> None:
        self.path = path
        self._stream = path.open("wb", buffering=_WRITTEN_AT_ONCE)
        self.write(head.encode())

    def write(self, line: bytes) -> None:
        self._stream.write(line)

    def close(self) -> None:
        self._stream.close()


def _csv(path: Path) -> _Lines:
    return _Lines(path, csv_line(COLUMNS))


class _Parquet:
    """Parquet, a few thousand rows at once."""

    def __init__(self, path: Path) -> None:
        pa = import_arrow()
        import pyarrow.parquet  # noqa: PLC0415 - an extra

        types = {"step": pa.int64(), "score": pa.float64()}
        self.path = path
        self._shape = pa.schema([(column, types.get(column, pa.string())) for column in COLUMNS])
        self._file = pyarrow.parquet.ParquetWriter(path, self._shape)
        self._make = pa.Table.from_pylist
        self._rows: list[Tree] = []

    def write(self, line: Tree) -> None:
        self._rows.append({key: _whole(value) for key, value in line.items()})
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(self._make(self._rows, schema=self._shape))
            self._rows = []

    def close(self) -> None:
        if self._file.is_open:
            self._flush()
            self._file.close()


def _whole(value: Any) -> Any:
    """Mend half characters, which JSON can write and Parquet cannot hold."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


_WRITERS: Final[dict[str, Any]] = {"csv": _csv, "parquet": _Parquet}
