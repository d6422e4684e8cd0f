"""C4: what a kill that cannot be caught leaves behind, without a spool."""

from __future__ import annotations

import json
import signal
import sys
import time

import pytest

from programs import finish, run, start, times

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL on Windows"),
]

TRAFFIC = """
    import sys, time
    import callspan
    from callspan.exporters import FileExporter
    callspan.configure(exporters=[FileExporter("spans.jsonl")])
    size = int(sys.argv[1])

    @callspan.tool
    def work(number, filler):
        pass

    number = 0
    while True:
        work(number, "x" * size)
        number += 1
        if number % 20 == 0:
            print(number, time.monotonic(), flush=True)
        time.sleep(0.0005)
"""


def numbers(path) -> tuple[list[int], int]:
    """Return the numbers in the whole lines, and how many lines are torn."""
    found, torn = [], 0
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            (span,) = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
        except ValueError:
            torn += 1
            continue
        arguments = next(pair["value"] for pair in span["attributes"] if pair["key"] == "gen_ai.tool.call.arguments")
        found.append(json.loads(arguments["stringValue"])["number"])
    return found, torn


@pytest.mark.parametrize("size", [10, 20_000])
def test_c4_a_kill_costs_at_most_what_one_interval_made(tmp_path, size):
    for attempt in range(times(2, 8)):
        (tmp_path / "spans.jsonl").unlink(missing_ok=True)
        began = time.monotonic()
        process = start(TRAFFIC, tmp_path, str(size))
        process.stdout.readline()
        time.sleep(1.0 + 0.037 * attempt)
        process.send_signal(signal.SIGKILL)
        killed_at = time.monotonic()
        ended = finish(process, code=-signal.SIGKILL, began=began)
        found, torn = numbers(tmp_path / "spans.jsonl")
        assert torn <= 1
        assert found == list(range(len(found)))
        made = [line.split() for line in ended.out.splitlines() if len(line.split()) == 2]
        safe = max((int(number) for number, at in made if float(at) < killed_at - 1.0), default=0)
        assert len(found) >= safe  # an interval is half a second; as much again for a busy machine


def test_c4_the_next_process_is_not_spoiled_by_a_torn_line(tmp_path):
    (tmp_path / "spans.jsonl").write_bytes(b'{"resourceSpans":[{"resource":{"attr')
    program = """
        from programs import report
        import callspan
        from callspan.exporters import FileExporter
        callspan.configure(exporters=[FileExporter("spans.jsonl")])
        with callspan.span("next"):
            pass
        assert callspan.flush()
        report()
    """
    ended = run(program, tmp_path)
    torn, whole = (tmp_path / "spans.jsonl").read_bytes().splitlines()
    assert torn == b'{"resourceSpans":[{"resource":{"attr'
    assert json.loads(whole)
    assert ended.stats["file"]["delivered"] == 1
