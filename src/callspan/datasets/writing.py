"""Writes a dataset: each example once, conversations kept together, and a card that says what is in it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from callspan.datasets.evaluation_rows import COLUMNS
from callspan.datasets.examples import digest_of
from callspan.datasets.making import Calls, Made, csv_line, written
from callspan.datasets.preferences import pairs
from callspan.reading.tables import import_arrow

Tree = dict[str, Any]

_ROWS_AT_ONCE: Final = 2_000
_WRITTEN_AT_ONCE: Final = 1 << 20
_BLOCKS_AHEAD: Final = 4  # of what is written
_PARTS: Final = 10_000
_COUNTED: Final = ("kind", "model", "prompt_name", "prompt_version", "label")
TOLD: Final = (*_COUNTED, "conversation_id", "trace_id")
"""Columns of calls that are looked at when they are written."""


@dataclass(slots=True)
class Card:
    """What became of the calls: examples by file, and by what tells them apart; what was left out, by reason."""

    examples: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    redacted: int = 0
    sha256: dict[str, str] = field(default_factory=dict)
    _facts: Counter[tuple[Any, ...]] = field(default_factory=Counter)

    def count(self, file: str, calls: Calls, numbers: Sequence[int]) -> None:
        """Count the examples that were made of the calls with these numbers."""
        self.examples[file] += len(numbers)
        self._facts.update(zip(*(map(calls[name].__getitem__, numbers) for name in _COUNTED), strict=True))

    def by(self) -> dict[str, Counter[str]]:
        """Return how many examples there are by what tells them apart."""
        found: dict[str, Counter[str]] = {name: Counter() for name in ("kind", "model", "prompt", "label")}
        for (kind, model, prompt, version, label), count in self._facts.items():
            named = " ".join(filter(None, (prompt, version)))
            for name, value in zip(found, (kind, model, named, label), strict=True):
                if value:
                    found[name][value] += count
        return found

    def as_json(self, told: Tree) -> str:
        """Return the card as a JSON text, below what is `told` of how the dataset was made."""
        counts = {
            "examples": dict(self.examples),
            "duplicates": self.duplicates,
            "refused": dict(self.refused.most_common()),
            "redacted_values": self.redacted,
            "by": {name: dict(counter.most_common(50)) for name, counter in self.by().items() if counter},
            "sha256": self.sha256,
        }
        return json.dumps({**told, **counts}, ensure_ascii=False, indent=2) + "\n"


def files_for(out: Path, split: float) -> list[Path]:
    """Return the files of a dataset: `out`, and where it is split `NAME.validation.SUFFIX` beside it."""
    return [out, *([out.with_name(f"{out.stem}.validation{out.suffix}")] if split else [])]


def write_dataset(made: Iterable[tuple[Calls, Made]], form: str, out: Path, *, split: float = 0.0) -> Card:
    """Write what was made of calls in one of `FORMATS`, beside their facts; a file is there as a whole or not at all.

    split: the share of conversations (calls without one count by trace) that goes into a second file beside `out`,
        `NAME.validation.SUFFIX`; which they are follows from their IDs, so it is the same every time.

    Raises `OSError` that names `out` where it cannot be written.
    """
    card = Card()
    names = files_for(out, split)
    writers = [_WRITERS.get(form, _Lines)(Path(f"{name}.part")) for name in names]
    seen: set[bytes] = set()
    try:
        for calls, contents, digests in _examples(made, form, card):
            fresh, again = _fresh(contents, digests, seen)
            card.duplicates += again
            for writer, name, numbers in zip(writers, names, _divided(fresh, calls, split), strict=True):
                writer.write([contents[number] for number in numbers])
                card.count(name.name, calls, numbers)
        for writer, name in zip(writers, names, strict=True):
            writer.close()
            card.sha256[name.name] = writer.sha256()
            writer.path.replace(name)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(out)) from None
    finally:
        for writer in writers:
            with suppress(Exception):  # what did not fit before does not now, and it goes
                writer.close()
            writer.path.unlink(missing_ok=True)
    return card


def _examples(
    made: Iterable[tuple[Calls, Made]], form: str, card: Card
) -> Iterator[tuple[Calls, Sequence[Any], Sequence[bytes]]]:
    """Yield calls with contents, None for what is no example, and digests; the card counts why it is none."""

    def counted() -> Iterator[tuple[Calls, Made]]:
        for calls, some in made:
            card.redacted += some.redacted
            card.refused.update(some.refused)
            yield calls, some

    if form != "preference":
        yield from ((calls, some.contents, some.digests) for calls, some in counted())
        return
    for facts, pair in pairs(_one_by_one(counted()), card.refused):
        yield {name: [value] for name, value in facts.items()}, [written(pair, form)], [digest_of(pair)]


def _one_by_one(made: Iterable[tuple[Calls, Made]]) -> Iterator[tuple[Tree, Tree]]:
    for calls, some in made:
        for content, *facts in zip(some.contents, *calls.values(), strict=True):
            if content is not None:
                yield dict(zip(calls, facts, strict=True)), content


def _fresh(contents: Sequence[Any], digests: Sequence[bytes], seen: set[bytes]) -> tuple[Sequence[int], int]:
    """Return the numbers of the examples that are not the same as one before, and how many are."""
    all_of_them = set(digests)
    if len(all_of_them) == len(digests) and None not in contents and seen.isdisjoint(all_of_them):
        seen |= all_of_them
        return range(len(contents)), 0
    there = [number for number, content in enumerate(contents) if content is not None]
    fresh = []
    for number in there:
        if digests[number] not in seen:
            seen.add(digests[number])
            fresh.append(number)
    return fresh, len(there) - len(fresh)


def _divided(numbers: Sequence[int], calls: Calls, split: float) -> list[Sequence[int]]:
    """Return which examples go into which file."""
    if not split:
        return [numbers]
    divided: tuple[list[int], list[int]] = ([], [])
    for number in numbers:
        divided[_is_validation(calls, number, split)].append(number)
    return [*divided]


def _is_validation(calls: Calls, number: int, share: float) -> bool:
    group = calls["conversation_id"][number] or calls["trace_id"][number]
    told = hashlib.sha256(str(group).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(told[:8], "big") % _PARTS < share * _PARTS


class _Lines:
    """Lines of text that are ready to be written."""

    def __init__(self, path: Path, head: str = "") -> None:
        self.path = path
        self._stream = path.open("wb", buffering=_WRITTEN_AT_ONCE)
        self._sum = hashlib.sha256()
        self._beside = ThreadPoolExecutor(1)  # to write and to sum up needs no Python
        self._ahead: deque[Future[None]] = deque()
        self.write([head.encode()])

    def write(self, lines: Sequence[bytes]) -> None:
        self._ahead.append(self._beside.submit(self._write, b"".join(lines)))
        self._settle(_BLOCKS_AHEAD)

    def close(self) -> None:
        self._beside.shutdown()
        self._stream.close()

    def sha256(self) -> str:
        self._settle(0)
        return self._sum.hexdigest()

    def _write(self, block: bytes) -> None:
        self._stream.write(block)
        self._sum.update(block)

    def _settle(self, most: int) -> None:
        """Wait until no more than so many blocks are ahead; raises what went wrong with one."""
        while len(self._ahead) > most:
            self._ahead.popleft().result()


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

    def write(self, lines: Sequence[Tree]) -> None:
        for line in lines:
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

    def sha256(self) -> str:
        with self.path.open("rb") as stream:
            told = hashlib.sha256()
            while some := stream.read(_WRITTEN_AT_ONCE):
                told.update(some)
        return told.hexdigest()


def _whole(value: Any) -> Any:
    """Mend half characters, which JSON can write and Parquet cannot hold."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


_WRITERS: Final[dict[str, Any]] = {"csv": _csv, "parquet": _Parquet}
