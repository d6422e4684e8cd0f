"""Measures reading back beside DuckDB on the same file: `python -m benchmarks.reading [--spans 1000000] [--file F]`.

Exits with 1 when a demand is not met. All contestants run in turns, each in a process of its own that may use two
processors; figures are minima of the rounds. What DuckDB does alone:

read      `read_json` with the types of all that a report looks at: IDs, names, times, status, events and attributes.
columns   the same, with the columns that a report sums up taken out of the attributes: what it needs to be of use.
texts     the same as read, and the messages of all model calls written to a file as they are: neither converted, nor
          cleaned, nor each once. For information.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks import span_file

_TIMES_AT_MOST: Final = 2.0
_MB_AT_MOST: Final = 1_000
_ROOT: Final = Path(__file__).parent.parent
_VALUE: Final = (
    "STRUCT(stringValue VARCHAR, intValue VARCHAR, doubleValue DOUBLE, boolValue BOOLEAN,"
    ' arrayValue STRUCT("values" STRUCT(stringValue VARCHAR)[]))'
)
_PAIRS: Final = f'STRUCT("key" VARCHAR, "value" {_VALUE})[]'
_SPAN: Final = (
    "STRUCT(traceId VARCHAR, spanId VARCHAR, parentSpanId VARCHAR, name VARCHAR, startTimeUnixNano VARCHAR,"
    f" endTimeUnixNano VARCHAR, status STRUCT(code INTEGER, message VARCHAR), attributes {_PAIRS},"
    f" events STRUCT(name VARCHAR, timeUnixNano VARCHAR, attributes {_PAIRS})[])"
)
_RESOURCE: Final = f"STRUCT(resource STRUCT(attributes {_PAIRS}), scopeSpans STRUCT(spans {_SPAN}[])[])[]"
_TEXTS: Final = [
    "gen_ai.operation.name",
    "openinference.span.kind",
    "callspan.component",
    "callspan.outcome",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.prompt.name",
    "gen_ai.prompt.version",
    "gen_ai.conversation.id",
    "user.id",
    "error.type",
    "callspan.usage.source",
    "metadata",
    "gen_ai.evaluation.name",
]
_CONTENTS: Final = ["system_instructions", "input.messages", "output.messages"]
_NUMBERS: Final = [
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "callspan.conversation.step",
    "callspan.cost.total",
    "gen_ai.response.time_to_first_chunk",
]


def scan(file: Path, what: str) -> None:
    """Read a file by DuckDB alone."""
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    rows = (
        "select resourceSpans[1].resource.attributes as resource, unnest(resourceSpans[1].scopeSpans[1].spans) as span"
        f" from read_json('{file}', format='newline_delimited', maximum_object_size=268435456,"
        f" columns={{'resourceSpans': '{_RESOURCE}'}})"
    )
    if what == "read":
        told = connection.execute(f"select count(span), count(resource) from ({rows})").fetchone()
    elif what == "texts":
        texts = [f"told['gen_ai.{name}'].stringValue as a{at}" for at, name in enumerate(_CONTENTS)]
        with tempfile.TemporaryDirectory() as out:
            told = connection.execute(
                f"copy (select {', '.join(texts)} from (select map_from_entries(span.attributes) as told from ({rows}))"
                f" where told['gen_ai.operation.name'].stringValue = 'chat') to '{out}/texts' (format json)"
            ).fetchone()
    else:
        texts = [f"any_value(told['{name}'].stringValue)" for name in _TEXTS]
        numbers = [f"sum(coalesce(told['{name}'].doubleValue, told['{name}'].intValue::double))" for name in _NUMBERS]
        told = connection.execute(
            "select count(*), max(span.endTimeUnixNano::bigint - span.startTimeUnixNano::bigint),"
            f" {', '.join(texts + numbers)} from (select span, map_from_entries(span.attributes) as told from ({rows}))"
        ).fetchone()
    print(told)


def commands(file: Path, out: Path) -> dict[str, list[str]]:
    """Return what is measured: DuckDB alone, then ours."""
    python, export = [sys.executable, "-m"], ["callspan", "export", str(file), "--format", "openai-chat", "--output"]
    return {
        "DuckDB, read": [*python, __spec__.name, "--scan", "read", "--file", str(file)],
        "DuckDB, columns": [*python, __spec__.name, "--scan", "columns", "--file", str(file)],
        "DuckDB, texts": [*python, __spec__.name, "--scan", "texts", "--file", str(file)],
        "report": [*python, "callspan", "report", str(file), "--json"],
        "export, of feedback": [*python, *export, str(out / "chosen.jsonl"), "--feedback", "helpful>=1"],
        "export, all calls": [*python, *export, str(out / "all.jsonl")],
    }


def measure(command: list[str]) -> dict[str, float]:
    """Run a program; return its seconds, those of its processors, and the MB of its largest process at its largest."""
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert child.stderr is not None
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{' '.join(command)}: {said.decode()}")
    seconds = time.perf_counter() - began
    return {"wall_s": seconds, "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}


def compare(file: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Run all in turns; return the minima by contestant."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as out:
        for _ in range(rounds):
            for name, command in commands(file, Path(out)).items():
                told = measure(command)
                found[name] = {key: min(value, found.get(name, told)[key]) for key, value in told.items()}
    return found


def is_met(found: dict[str, dict[str, float]]) -> bool:
    """Print the table; return whether time and memory are within their bounds."""
    reading, columns = found["DuckDB, read"], found["DuckDB, columns"]
    print(f"{'':20} {'wall s':>8} {'CPU s':>8} {'MB':>6}   times read  times columns, by wall (CPU)")
    for name, told in found.items():
        ratios = [
            f"{told['wall_s'] / beside['wall_s']:.2f} ({told['cpu_s'] / beside['cpu_s']:.2f})"
            for beside in (reading, columns)
        ]
        print(f"{name:20} {told['wall_s']:8.1f} {told['cpu_s']:8.1f} {told['peak_mb']:6.0f}   {'  '.join(ratios)}")
    ours = [told for name, told in found.items() if not name.startswith("DuckDB")]
    return all(one["wall_s"] <= _TIMES_AT_MOST * reading["wall_s"] and one["peak_mb"] <= _MB_AT_MOST for one in ours)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--spans", type=int, default=200_000, help="in the file that is made (default 200000)")
    parser.add_argument("--file", type=Path, help="read this file instead of making one")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print data instead of the table")
    parser.add_argument("--scan", choices=("read", "columns", "texts"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.scan:
        scan(options.file, options.scan)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        file = options.file or Path(folder, "spans.jsonl")
        if options.file is None:
            span_file.write(file, options.spans)
        found = compare(file.absolute(), options.rounds)
    if options.json:
        print(json.dumps(found))
        return 0
    ok = is_met(found)
    print("every demand is met" if ok else f"some take more than {_TIMES_AT_MOST:g} times the reading, or more memory")
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
