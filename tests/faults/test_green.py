"""B11: gevent and eventlet, patched before and after us: spans arrive, nothing hangs, and the exit is prompt."""

from __future__ import annotations

import sys

import pytest

from programs import run, span_names
from receiver import Receiver

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="not among the test dependencies there"),
]

GEVENT = "import gevent.monkey; gevent.monkey.patch_all()"
# Where trio is installed, httpx loads it, and it does not load on top of the sockets of eventlet.
EVENTLET = "import sys; sys.modules['trio'] = None; import eventlet; eventlet.monkey_patch()"
WORK = """
import sys
{first}
import callspan
from callspan.exporters import FileExporter, OTLPExporter
from programs import report
callspan.configure(exporters=[OTLPExporter(sys.argv[1]), FileExporter("spans.jsonl")])
{second}
import time

@callspan.chain
def outer(number):
    time.sleep(0.01)
    inner(number)

@callspan.tool
def inner(number):
    time.sleep(0.01)

{spawn}
began = time.monotonic()
if sys.argv[2] == "flush":
    assert callspan.flush(20) or sys.argv[3] == "late", callspan.stats()
    report()
"""
SPAWN = {
    "gevent": "import gevent; gevent.joinall([gevent.spawn(outer, number) for number in range(50)], raise_error=True)",
    "eventlet": """
import eventlet
for thread in [eventlet.spawn(outer, number) for number in range(50)]:
    thread.wait()
""",
}


@pytest.mark.parametrize("ends_by", ["flush", "exit"])
@pytest.mark.parametrize("order", ["patched before", "patched after", "patched after a span", "not patched"])
@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_b11_green_threads(tmp_path, library, order, ends_by):
    pytest.importorskip(library)
    patch = GEVENT if library == "gevent" else EVENTLET
    first, second = {
        "patched before": (patch, ""),
        "patched after": ("", patch),
        "patched after a span": ("", f"callspan.span('early').__enter__().end()\n{patch}"),
        "not patched": ("", ""),
    }[order]
    program = WORK.format(first=first, second=second, spawn=SPAWN[library])
    with Receiver() as receiver:
        # What `threading` says of a thread that was there before the patch is not ours: any thread would have it said.
        late = order == "patched after a span"
        arguments = receiver.url, ends_by, "late" if late else ""
        ended = run(program, tmp_path, *arguments, timeout_s=60, complains=late, PYTHONWARNINGS="ignore")
        names = receiver.names()
    assert "callspan/" not in ended.err
    in_file = span_names(tmp_path / "spans.jsonl")
    assert (in_file.count("outer"), in_file.count("inner")) == (50, 50)
    # Real threads that find their locks and sockets replaced may fail; what they lose is counted.
    assert late or (names.count("outer"), names.count("inner")) == (50, 50)
    parents = {span.span_id: span.name for span in receiver.spans()}
    inner = [span for span in receiver.spans() if span.name == "inner"]
    assert all(late or parents.get(span.parent_span_id) == "outer" for span in inner)
    assert all(not span.parent_span_id for span in receiver.spans() if span.name == "outer")
    assert ended.seconds < 50
    if ends_by == "flush":
        assert ended.stats["file"]["delivered"] == (101 if late else 100)
        assert ended.stats["otlp"]["delivered"] == len(names)


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_b11_a_dead_sink_among_green_threads(tmp_path, library):
    pytest.importorskip(library)
    program = f"""
        {GEVENT if library == "gevent" else EVENTLET}
        import atexit, sys, time
        import callspan
        from programs import report
        atexit.register(lambda: (print("WAITED", time.monotonic() - began, flush=True), report()))
        from callspan.exporters import OTLPExporter
        callspan.configure(exporters=[OTLPExporter(sys.argv[1])])
        with callspan.span("one"):
            time.sleep(0.3)
        began = time.monotonic()
    """
    import receiver as receivers

    # Where trio is installed, httpx starts a process when it is loaded, and gevent's hook for forks fails on 3.13.
    complains = library == "gevent" and sys.version_info >= (3, 13)
    with receivers.deaf() as url:
        ended = run(program, tmp_path, url, timeout_s=30, complains=complains, PYTHONWARNINGS="ignore")
    assert "callspan/" not in ended.err
    waited = float(next(line for line in ended.out.splitlines() if line.startswith("WAITED"))[7:])
    assert waited < 5 + 1  # for a machine that has other things to do
    stats = ended.stats["otlp"]
    assert stats["buffered"] + sum(stats["dropped"].values()) == 1
