"""C5, C10: web servers and task queues that fork: spans of every worker arrive, and the servers end as they like."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

from programs import environment, finish, run, span_ids, span_names
from receiver import Receiver, closed_port

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(sys.platform == "win32", reason="these servers fork"),
]

APP = """
import os
import callspan
from callspan.exporters import FileExporter, OTLPExporter
from callspan.middleware import ASGIMiddleware, WSGIMiddleware

asked = os.environ.get("ASKED") == "1"
callspan.configure(
    exporters=[OTLPExporter(os.environ["COLLECTOR"]), FileExporter("spans.jsonl")], flush_on_sigterm=asked
)
with callspan.span("loaded"):  # the worker's threads run in whoever loads this, before the fork where it is preloaded
    pass

@callspan.tool
def work(path):
    return str(os.getpid())

@WSGIMiddleware
def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [work(environ["PATH_INFO"]).encode()]

@ASGIMiddleware
async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": work(scope["path"]).encode()})
"""
SERVERS = {
    "gunicorn": ["gunicorn", "app:wsgi", "--workers", "2", "--bind", "127.0.0.1:{port}"],
    "gunicorn --preload": ["gunicorn", "app:wsgi", "--workers", "2", "--bind", "127.0.0.1:{port}", "--preload"],
    "gunicorn threads": ["gunicorn", "app:wsgi", "--threads", "4", "--bind", "127.0.0.1:{port}", "--preload"],
    "gunicorn recycled": [
        *("gunicorn", "app:wsgi", "--workers", "2", "--bind", "127.0.0.1:{port}", "--preload", "--max-requests", "5")
    ],
    "uvicorn": ["uvicorn", "app:asgi", "--port", "{port}"],
    "uvicorn workers": ["uvicorn", "app:asgi", "--port", "{port}", "--workers", "2"],
}
TRACE = "0af7651916cd43dd8448eb211c80319c"


def start(folder, command, **variables):
    (folder / "app.py").write_text(APP)
    found = environment(PYTHONWARNINGS="ignore::DeprecationWarning", **variables)
    found["PYTHONPATH"] = os.pathsep.join([str(folder), found["PYTHONPATH"]])
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=found,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ask(url, number):
    headers = {"traceparent": f"00-{TRACE}-{number + 1:016x}-01", "connection": "close"}
    for _ in range(400):
        try:
            return httpx.get(f"{url}/{number}", headers=headers, timeout=20, trust_env=False).text
        except httpx.TransportError:  # it is not there yet, or a worker ends that had been given the request
            time.sleep(0.05)
    raise AssertionError("nobody answers")


@pytest.mark.parametrize("asked", ["0", "1"], ids=["", "SIGTERM"])
@pytest.mark.parametrize("server", SERVERS)
def test_c10_spans_of_every_worker_arrive_and_the_server_ends_as_it_likes(tmp_path, server, asked):
    port, count = closed_port(), 30
    with Receiver() as receiver:
        command = [part.format(port=port) for part in SERVERS[server]]
        process = start(tmp_path, command, COLLECTOR=receiver.url, ASKED=asked)
        began = time.monotonic()
        try:
            served = [ask(f"http://127.0.0.1:{port}", number) for number in range(count)]
        finally:
            process.send_signal(signal.SIGTERM)
        # uvicorn ends by the signal that it was ended by, once it has served what it had begun.
        code = -signal.SIGTERM if server == "uvicorn" else 0
        ended = finish(process, code=code, began=began, timeout_s=40)
        spans = [span for span in receiver.spans() if span.name == "work"]
    workers = set(served)
    if server == "gunicorn recycled":
        assert len(workers) >= 4
    parents = [int.from_bytes(span.parent_span_id, "big") for span in spans]
    # uvicorn's workers end by the signal: unasked, what they made in the last half second may be lost.
    least = count if asked == "1" or server.startswith("gunicorn") else 1
    assert len(parents) >= least, ended.err
    assert len(set(parents)) == len(parents)
    for worker in workers:
        own = [number for number, by in enumerate(served, 1) if by == worker]
        arrived = [number for number in own if number in parents]
        assert arrived == own[: len(arrived)], "it lost what was not its last"
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert len({span.span_id for span in spans}) == len(spans)
    assert span_names(tmp_path / "spans.jsonl").count("work") >= least
    assert len(set(span_ids(tmp_path / "spans.jsonl"))) == len(span_ids(tmp_path / "spans.jsonl"))


# -- Celery, whose workers are forked by a library of its own ----------------------------------------------------------

TASKS = """
import os
import callspan
from callspan.exporters import FileExporter
from celery import Celery

callspan.configure(exporters=[FileExporter("spans.jsonl")])
callspan.instrument("celery")
app = Celery("tasks", broker="filesystem://", backend="file://" + os.path.abspath("results"))
app.conf.update(
    broker_transport_options={
        "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control", "polling_interval": 0.02
    },
    worker_max_tasks_per_child=5,
    broker_connection_retry_on_startup=False,
)
with callspan.span("loaded"):
    pass

@app.task
@callspan.tool
def work(number):
    return os.getpid()
"""


def test_c10_tasks_of_celery_in_forked_workers_are_children_of_their_senders(tmp_path):
    pytest.importorskip("celery")
    (tmp_path / "tasks.py").write_text(TASKS)
    for name in ("queue", "results", "control"):
        (tmp_path / name).mkdir()
    found = environment(PYTHONWARNINGS="ignore", C_FORCE_ROOT="true")
    found["PYTHONPATH"] = os.pathsep.join([str(tmp_path), found["PYTHONPATH"]])
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-P", "prefork", "-c", "2", "-l", "ERROR"],
        cwd=tmp_path,
        env=found,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    began = time.monotonic()
    sender = """
        import sys
        sys.path.insert(0, ".")
        from tasks import callspan, work
        from programs import report
        results = []
        for number in range(20):
            with callspan.span("caller", input=number):
                results.append(work.delay(number))
        print("WORKERS", *{result.get(timeout=40, interval=0.05) for result in results})
        assert callspan.flush(9)
        report()
    """
    try:
        ended = run(sender, tmp_path, timeout_s=60, PYTHONWARNINGS="ignore")
    finally:
        worker.send_signal(signal.SIGTERM)
    finish(worker, began=began, timeout_s=40)
    workers = next(line for line in ended.out.splitlines() if line.startswith("WORKERS")).split()[1:]
    assert len(workers) >= 4  # five tasks each, then another one
    names = span_names(tmp_path / "spans.jsonl")
    assert (names.count("caller"), names.count("work")) == (20, 20)
    assert len(set(span_ids(tmp_path / "spans.jsonl"))) == len(names)
    assert trees(tmp_path / "spans.jsonl") == [("caller", "work")] * 20
    assert ended.stats["file"]["delivered"] == 21  # the callers, and what was recorded while the module was loaded


def trees(path):
    """Return the names of parent and child, for every child."""
    import json

    spans = [
        json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0] for line in path.read_bytes().splitlines()
    ]
    by_id = {(span["traceId"], span["spanId"]): span["name"] for span in spans}
    return [(by_id[span["traceId"], span["parentSpanId"]], span["name"]) for span in spans if span.get("parentSpanId")]
