"""What `import callspan` costs, beside `import opentelemetry.trace` alone: fresh interpreters, in turns, medians.

The time is that of the import statement, without the interpreter's own start; modules are those it added.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from benchmarks.report import Demand, Row

STATEMENTS = {
    "opentelemetry": "import opentelemetry.trace",
    "import callspan": "import callspan",
    "from callspan import observe": "from callspan import observe",
}
AT_MOST = 1.5
FORBIDDEN = "wrapt orjson httpx pydantic openai langchain llama_index tiktoken asyncio".split()  # noqa: SIM905

_CHILD = """
import json, sys, time
before = set(sys.modules)
started = time.perf_counter_ns()
{statement}
elapsed = time.perf_counter_ns() - started
loaded = set(sys.modules) - before
print(json.dumps([elapsed / 1e6, len(loaded), sorted(set(loaded) & set({forbidden!r}))]))
"""


def _import_once(statement: str) -> tuple[float, int, list[str]]:
    code = _CHILD.format(statement=statement, forbidden=FORBIDDEN)
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    elapsed_ms, modules, forbidden = json.loads(done.stdout)
    return elapsed_ms, modules, forbidden


def measure(*, starts: int = 15) -> list[Row]:
    """Start `starts` interpreters for each statement, after one each to warm the disk's cache."""
    told: dict[str, list[tuple[float, int, list[str]]]] = {name: [] for name in STATEMENTS}
    for number in range(starts + 1):
        for name, statement in STATEMENTS.items():
            one = _import_once(statement)
            if number:
                told[name].append(one)
    reference = [elapsed for elapsed, _, _ in told.pop("opentelemetry")]
    rows = []
    for name, runs in told.items():
        elapsed = [one[0] for one in runs]
        row = Row(
            name,
            "ms",
            {"callspan": statistics.median(elapsed), "opentelemetry": statistics.median(reference)},
            {"callspan": min(elapsed), "opentelemetry": min(reference)},
            note=f"{runs[0][1]} modules",
        )
        row.demand("opentelemetry", AT_MOST)
        forbidden = runs[0][2]
        text = f"loads nothing heavy, not {', '.join(forbidden)}" if forbidden else "loads nothing heavy"
        row.demands.append(Demand(text, not forbidden))
        rows.append(row)
    return rows
