"""Writes a dataset: each example once, conversations kept together, and a card that says what is in it."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from callspan.datasets.chat import Refused, chat_line
from callspan.datasets.evaluation_rows import COLUMNS, evaluation_row
from callspan.datasets.examples import Example, hash_of
from callspan.datasets.preferences import pairs
from callspan.reading.tables import import_arrow

Tree = dict[str, Any]

FORMATS: Final = ("openai-chat", "preference", "csv", "jsonl", "parquet")
_IDENTITY: Final = ("trace_id", "span_id", "conversation_id", "step", "feedback", "score", "label", "comment")
_ROWS_AT_ONCE: Final = 2_000
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

    def count(self, file: str, example: Example) -> None:
        """Count one example."""
        self.examples[file] += 1
        facts = example.facts
        prompt = " ".join(filter(None, (facts.get("prompt_name"), facts.get("prompt_version"))))
        for name, value in {**facts, "prompt": prompt, "kind": example.kind}.items():
            if name in self.by and value:
                self.by[name][value] += 1

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


def write_dataset(
    examples: Iterable[Example],
    form: str,
    out: Path,
    *,
    split: float = 0.0,
    clean: Callable[[Example], int] | None = None,
) -> Card:
    """Write examples in one of `FORMATS`; a file is there as a whole or not at all.

    split: the share of conversations (calls without one count by trace) that goes into a second file beside `out`,
        `NAME.validation.SUFFIX`; which they are follows from their IDs, so it is the same every time.
    clean: takes secrets out of an example, in place, and returns how many.
    """
    card = Card()
    names = [out, *([out.with_name(f"{out.stem}.validation{out.suffix}")] if split else [])]
    writers = [_WRITERS.get(form, _Lines)(Path(f"{name}.part")) for name in names]
    seen: set[bytes] = set()
    try:
        for example, line in _lines(_cleaned(examples, clean, card), form, card):
            identity = {key: value for key, value in line.items() if key not in _IDENTITY}
            told = bytes.fromhex(hash_of(identity))[:16]
            if told in seen:
                card.duplicates += 1
                continue
            seen.add(told)
            number = 1 if split and _is_validation(example, split) else 0
            writers[number].write(line)
            card.count(names[number].name, example)
        for writer, name in zip(writers, names, strict=True):
            writer.close()
            writer.path.replace(name)
            card.sha256[name.name] = _sha256(name)
    finally:
        for writer in writers:
            writer.close()
            writer.path.unlink(missing_ok=True)
    return card


def _cleaned(examples: Iterable[Example], clean: Callable[[Example], int] | None, card: Card) -> Iterator[Example]:
    for example in examples:
        if clean is not None:
            card.redacted += clean(example)
        yield example


def _lines(examples: Iterable[Example], form: str, card: Card) -> Iterator[tuple[Example, Tree]]:
    if form == "preference":
        yield from pairs(examples, card.refused)
        return
    make = chat_line if form == "openai-chat" else evaluation_row
    for example in examples:
        try:
            yield example, make(example)
        except Refused as reason:
            card.refused[str(reason)] += 1


def _is_validation(example: Example, share: float) -> bool:
    group = example.facts.get("conversation_id") or example.trace_id
    told = hashlib.sha256(str(group).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(told[:8], "big") % _PARTS < share * _PARTS


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        told = hashlib.sha256()
        while some := stream.read(1 << 20):
            told.update(some)
    return told.hexdigest()


class _Lines:
    """JSON Lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream: IO[str] = path.open("w", encoding="utf-8", errors="replace", newline="\n")

    def write(self, line: Tree) -> None:
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")

    def close(self) -> None:
        self._stream.close()


class _Csv(_Lines):
    """CSV with a head, as RFC 4180 has it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._rows = csv.DictWriter(self._stream, COLUMNS)
        self._rows.writeheader()

    def write(self, line: Tree) -> None:
        self._rows.writerow(line)


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


_WRITERS: Final[dict[str, Any]] = {"csv": _Csv, "parquet": _Parquet}
