"""Measures everything and prints one table: `python -m benchmarks.run`. Exits with 1 when a demand is not met.

Figures are medians with the minimum in parentheses. Compare ratios, not microseconds: those are this machine's.
"""

from __future__ import annotations

import argparse
import json
import platform

from benchmarks import caller, delivery, gate, imports, langchain_chain, openai_calls
from benchmarks.report import table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--bursts", type=int, default=30, help="rounds over all contestants (default 30)")
    parser.add_argument("--calls", type=int, default=200, help="calls in a burst (default 200)")
    parser.add_argument("--starts", type=int, default=15, help="fresh interpreters per import (default 15)")
    parser.add_argument("--spans", type=int, default=20_000, help="spans that are delivered in a round (default 20000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of delivery (default 3)")
    parser.add_argument("--json", action="store_true", help="print data instead of the table")
    options = parser.parse_args()
    rows = caller.measure(bursts=options.bursts, calls=options.calls)
    rows += openai_calls.measure(bursts=options.bursts, calls=max(options.calls // 4, 2))
    rows += langchain_chain.measure(bursts=options.bursts, calls=options.calls)
    rows += imports.measure(starts=options.starts)
    rows += gate.measure(bursts=options.bursts, calls=options.calls)
    rows += delivery.measure(spans=options.spans, rounds=options.rounds)
    ok = all(row.ok for row in rows)
    if options.json:
        print(json.dumps({"python": platform.python_version(), "ok": ok, "rows": [row.as_json() for row in rows]}))
    else:
        print(
            f"Python {platform.python_version()}: {options.bursts} bursts of {options.calls} calls, medians (minima)\n"
        )
        print(table(rows))
        print("\nevery demand is met" if ok else "\nsome demands are not met")
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
