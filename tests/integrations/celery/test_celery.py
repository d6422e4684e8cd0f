"""`instrument("celery")`: what is current where a task is sent is current where it runs; with Celery, in memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

import callspan
from callspan.recording.otel import get_context
from callspan.testing import capture

celery = pytest.importorskip("celery")
from celery import signals  # noqa: E402 - after importorskip
from celery.contrib.testing.worker import start_worker  # noqa: E402

SIGNALS = (
    signals.before_task_publish,
    signals.task_prerun,
    signals.task_postrun,
    signals.worker_process_shutdown,
)


@pytest.fixture(autouse=True)
def instrumented():
    before = [list(signal.receivers or ()) for signal in SIGNALS]
    handle = callspan.instrument("celery")
    yield handle
    handle.undo()
    assert [list(signal.receivers or ()) for signal in SIGNALS] == before


@pytest.fixture(scope="module", autouse=True)
def logging_left_alone():
    """Celery's workers set logging up anew, and switch loggers off, unless somebody says that it is done."""

    def is_done(**_):
        pass

    signals.setup_logging.connect(is_done)
    yield
    signals.setup_logging.disconnect(is_done)


@pytest.fixture(scope="module")
def app():
    made = celery.Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
    made.conf.update(broker_transport_options={"polling_interval": 0.01})
    made.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=False)

    @made.task(name="work")
    def work(number):
        with callspan.span("work", input=number):
            return number

    @made.task(name="fail")
    def fail():
        with callspan.span("fail"):
            raise ValueError("mine")

    @made.task(name="again", bind=True, max_retries=2, default_retry_delay=0)
    def again(task):
        with callspan.span("again", input=task.request.retries):
            if task.request.retries < 2:
                raise task.retry()
            return task.request.retries

    @made.task(name="context")
    def context():
        return len(get_context())

    return made


@pytest.fixture(scope="module", autouse=True)
def worker(app):
    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="CRITICAL"):
        yield


def children(spans, name):
    callers = {span.span_id: span.name for span in spans}
    return [(callers.get(span.parent_id), span.input) for span in spans if span.name == name]


def test_what_is_watched(instrumented):
    listens = "listens to the signals before_task_publish, task_prerun, task_postrun, worker_process_shutdown"
    assert str(instrumented) == f"celery  {listens}"


def test_a_task_goes_on_with_the_trace_of_its_sender(app):
    with capture() as spans:
        for number in range(3):
            with callspan.span(f"caller {number}"):
                result = app.tasks["work"].delay(number)
            assert result.get(timeout=20, interval=0.01) == number
        assert app.tasks["work"].delay(3).get(timeout=20, interval=0.01) == 3
        assert app.tasks["context"].delay().get(timeout=20, interval=0.01) == 0
    assert children(spans, "work") == [("caller 0", 0), ("caller 1", 1), ("caller 2", 2), (None, 3)]


def test_the_conversation_goes_along_by_setting(app):
    with capture() as spans, callspan.conversation("c"), callspan.span("turn"):
        app.tasks["work"].delay(1).get(timeout=20, interval=0.01)
    assert spans.one("work").conversation_id is None
    memory = callspan.exporters.MemoryExporter()
    callspan.configure(exporters=[memory], propagate_conversation=True)
    with callspan.conversation("c", user_id="u", step=7), callspan.span("turn"):
        app.tasks["work"].delay(1).get(timeout=20, interval=0.01)
    assert callspan.flush()
    (work,) = [span for span in memory.spans if span.name == "work"]
    assert (work.conversation_id, work.step, work.user_id) == ("c", 7, "u")


def test_tasks_that_fail_and_tasks_that_are_tried_again(app):
    with capture() as spans:
        with callspan.span("caller"):
            with pytest.raises(ValueError, match="mine"):
                app.tasks["fail"].delay().get(timeout=20, interval=0.01)
            assert app.tasks["again"].delay().get(timeout=20, interval=0.01) == 2
        assert app.tasks["context"].delay().get(timeout=20, interval=0.01) == 0
    assert children(spans, "fail") == [("caller", None)]
    assert [number for _, number in children(spans, "again")] == [0, 1, 2]
    assert {span.trace_id for span in spans} == {spans.one("caller").trace_id}


def test_headers_of_the_application_stay(app):
    seen = []
    signals.before_task_publish.connect(keep := lambda headers=None, **_: seen.append(dict(headers)))
    try:
        with capture(), callspan.span("caller"):
            app.tasks["work"].apply_async((1,), headers={"x-mine": "1"}).get(timeout=20, interval=0.01)
        app.tasks["work"].apply_async((1,)).get(timeout=20, interval=0.01)
    finally:
        signals.before_task_publish.disconnect(keep)
    assert seen[0]["x-mine"] == "1"
    assert "traceparent" in seen[0]
    assert "traceparent" not in seen[1]


def test_a_task_that_runs_where_it_is_called_is_a_child_as_any_function(app):
    with capture() as spans, callspan.span("caller"):
        assert app.tasks["work"].apply((5,)).get() == 5
    assert children(spans, "work") == [("caller", 5)]


def test_celery_is_not_imported_by_us():
    program = """
import sys, callspan
handle = callspan.instrument()
assert not any(name.partition(".")[0] == "celery" for name in sys.modules)
from celery import signals
assert len(signals.task_prerun.receivers) == 1
handle.undo()
assert not signals.task_prerun.receivers
"""
    subprocess.run([sys.executable, "-c", program], check=True)
