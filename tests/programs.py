"""Small programs in a process of their own: how they end, how long it takes, and what they leave behind.

A test gives the source of a program; the program imports what it needs from here, too: `report`, `Sink`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
FULL: Final = os.environ.get("CALLSPAN_FAULTS_FULL") == "1"
_COMPLAINTS: Final = re.compile(r"Traceback|Exception ignored|Fatal Python error|different Context|--- Logging error")


def times(few: int, many: int) -> int:
    """Choose how often a fault is tried: few times in every check, many times in `nox -s faults`."""
    return many if FULL else few


@dataclass
class Ended:
    """A program that ended: its exit code, what it printed, how long it took, and the counts it reported."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def reports(self) -> list[dict[str, Any]]:
        """Every `callspan.stats()` that was reported, checked for conservation."""
        found = [json.loads(line[7:]) for line in self.out.splitlines() if line.startswith("REPORT ")]
        for stats in found:
            check_conserved(stats)
        return found

    @property
    def stats(self) -> dict[str, Any]:
        """The last report."""
        return self.reports[-1]


def check_conserved(stats: Mapping[str, Any]) -> None:
    """Check the conservation law for every exporter."""
    for name, counts in stats.items():
        settled = counts["delivered"] + counts["rejected"] + sum(counts["dropped"].values())
        assert counts["ended"] + counts["adopted"] == settled + counts["buffered"] + counts["spooled"], (name, counts)


def environment(**variables: str) -> dict[str, str]:
    """Return this environment without settings of ours, so that the program finds the library and this file."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CALLSPAN_", "OTEL_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")]), **variables}


def start(source: str, folder: Path, *arguments: str, command: Sequence[str] = (), **variables: str) -> Any:
    """Start a program in `folder`, below `command` if there is one."""
    path = folder / "program.py"
    text = textwrap.dedent(source)
    if not path.exists() or path.read_text("utf-8") != text:  # another process may be about to read it
        path.write_text(text, "utf-8")
    return subprocess.Popen(
        [*command, sys.executable, str(path), *arguments],
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def finish(process: Any, *, code: int = 0, timeout_s: float = 60.0, began: float, complains: bool = False) -> Ended:
    """Wait for a program and check how it ended: the exit code, and that nothing of ours complained."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it hangs; it printed {out!r} and complained {err!r}") from None
    ended = Ended(process.returncode, out, err, time.monotonic() - began)
    assert ended.code == code, (ended.code, out, err)
    assert complains or not _COMPLAINTS.search(err), err
    return ended


def run(
    source: str,
    folder: Path,
    *arguments: str,
    code: int = 0,
    timeout_s: float = 60.0,
    complains: bool = False,
    command: Sequence[str] = (),
    **variables: str,
) -> Ended:
    """Run a program to its end. `complains` allows a traceback: the program's own."""
    began = time.monotonic()
    process = start(source, folder, *arguments, command=command, **variables)
    return finish(process, code=code, timeout_s=timeout_s, began=began, complains=complains)


def span_names(*paths: Path) -> list[str]:
    """Return the names of the spans in files; every line must be a whole request."""
    found = []
    for path in paths:
        for line in path.read_bytes().splitlines():
            for resource in json.loads(line)["resourceSpans"]:
                found += [span["name"] for scope in resource["scopeSpans"] for span in scope["spans"]]
    return found


def span_ids(*paths: Path) -> list[str]:
    """Return the trace and span IDs of the spans in files."""
    found = []
    for path in paths:
        for line in path.read_bytes().splitlines():
            (span,) = json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
            found.append(span["traceId"] + span["spanId"])
    return found


# -- for the programs themselves ---------------------------------------------------------------------------------------


def report() -> None:
    """Print what `callspan.stats()` says now, and check it."""
    import callspan

    stats = callspan.stats()
    sys.stdout.write(f"REPORT {json.dumps(stats)}\n")  # in one piece, as forked children write into the same pipe
    sys.stdout.flush()
    check_conserved(stats)


def wait_for_spool(count: int, timeout_s: float = 30.0) -> None:
    """Wait until the spool holds so many of this process's spans, however busy the machine is; then `report`."""
    import callspan

    deadline = time.monotonic() + timeout_s
    while any(told["spooled"] - told["adopted"] < count for told in callspan.stats().values()):
        assert time.monotonic() < deadline, callspan.stats()
        callspan.flush(0.05)


def become_nobody() -> None:
    """Give up the rights of the superuser, whom no permission and no limit stops.

    What is needed is imported first: the interpreter's own files may be out of reach afterwards.
    """
    import tempfile

    import callspan
    from callspan.exporters import FileExporter, MemoryExporter

    with tempfile.TemporaryDirectory() as folder:
        callspan.configure(exporters=[FileExporter(Path(folder) / "spans.jsonl"), MemoryExporter()])
        with callspan.span("warm up", kind="tool", input={"a": [1]}):
            pass
        callspan.configure(exporters=[MemoryExporter()])
        callspan.shutdown()
    if os.geteuid() == 0:
        os.setresuid(65534, 65534, 65534)


class Sink:
    """A foreign exporter, so one with a sender thread: writes `process ID, span name` to a file, a line per span."""

    local = False

    def __init__(self, path: str, name: str = "sink", *, delay_s: float = 0.0) -> None:
        self.name = name
        self._path = path
        self._delay_s = delay_s

    def export(self, batch: Any) -> Any:
        from callspan.exporters import ExportResult

        time.sleep(self._delay_s)
        lines = "".join(f"{os.getpid()} {span.trace_id:x}{span.span_id:x} {span.name}\n" for span in batch.spans)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, lines.encode())
        os.close(descriptor)
        return ExportResult(delivered=len(batch.spans))

    def close(self) -> None:
        """Nothing is open."""


def at_sink(path: Path) -> list[tuple[int, str, str]]:
    """Return what a `Sink` got: process ID, IDs, name."""
    if not path.exists():
        return []
    fields = (line.split(" ", 2) for line in path.read_text().splitlines())
    return [(int(process_id), ids, name) for process_id, ids, name in fields]


def by_process(path: Path) -> Counter[int]:
    """Count the spans a `Sink` got, by process."""
    return Counter(process_id for process_id, *_ in at_sink(path))
