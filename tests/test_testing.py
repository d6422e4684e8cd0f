"""What callspan gives to the tests of its users: `capture` and the pytest fixture."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import callspan
from callspan.capture.switch import switch
from callspan.exporters import MemoryExporter
from callspan.guard import guard
from callspan.model.span import Span
from callspan.testing import CapturedSpans, assert_never_leaves, capture


@callspan.chain
def plan(question):
    return [look_up(question), look_up("again")]


@callspan.tool
def look_up(word):
    return word.upper()


# -- capturing ---------------------------------------------------------------------------------------------------------


def test_spans_stand_in_the_list_as_soon_as_they_end():
    with capture() as spans:
        assert spans == []
        with callspan.span("outer"):
            look_up("a")
            assert [span.name for span in spans] == ["look_up"]
        assert [span.name for span in spans] == ["look_up", "outer"]
    look_up("b")
    assert len(spans) == 2
    assert isinstance(spans, CapturedSpans)


def test_after_the_block_it_is_off_again():
    assert switch.recorder is None
    with capture():
        assert switch.recorder is not None
    assert (switch.recorder, switch.open_call, switch.open_block) == (None, None, None)
    with pytest.raises(ZeroDivisionError), capture():
        raise ZeroDivisionError
    assert switch.recorder is None


def test_tested_code_may_configure_callspan_itself():
    memory = MemoryExporter()
    with capture() as spans:
        callspan.configure(exporters=[memory])
        plan("rain")
        with capture() as inner:
            callspan.configure(service_name="shop", exporters=[memory])
            look_up("rain")
        look_up("sun")
    assert [span.name for span in spans] == ["look_up", "look_up", "plan", "look_up"]
    assert [span.name for span in inner] == ["look_up"]
    look_up("afterwards")
    assert callspan.flush().ok
    assert [span.input for span in memory.spans] == [{"word": "afterwards"}]
    callspan.shutdown()


def test_tested_code_may_shut_callspan_down():
    memory = MemoryExporter()
    callspan.configure(exporters=[memory])
    with capture() as spans:
        callspan.shutdown()
        look_up("rain")
    look_up("afterwards")
    assert [span.name for span in spans] == ["look_up"]
    assert memory.spans == []
    assert switch.recorder is None


def test_captures_nest():
    with capture() as outer:
        look_up("a")
        with capture() as inner:
            look_up("b")
        look_up("c")
    assert [span.input["word"] for span in outer] == ["a", "c"]
    assert [span.input["word"] for span in inner] == ["b"]


def test_a_capture_inside_of_configure_borrows_the_spans():
    exporter = MemoryExporter()
    callspan.configure(exporters=[exporter])
    look_up("a")
    with capture() as spans:
        look_up("b")
    look_up("c")
    assert callspan.flush(timeout_s=5).ok
    assert [span.input["word"] for span in exporter.spans] == ["a", "c"]
    assert [span.input["word"] for span in spans] == ["b"]


def test_tasks_and_threads():
    @callspan.agent
    async def work(number):
        await asyncio.sleep(0)
        look_up(str(number))

    async def main():
        await asyncio.gather(work(1), work(2))

    with capture() as spans:
        asyncio.run(main())
        thread = threading.Thread(target=look_up, args=("thread",))
        thread.start()
        thread.join()
    works = [span for span in spans if span.name == "work"]
    assert sorted(span.input["number"] for span in works) == [1, 2]
    for one in works:
        (child,) = spans.children(one)
        assert child.input == {"word": str(one.input["number"])}
    assert len(spans.roots()) == 3


def test_spans_are_redacted_as_an_exporter_would_see_them():
    with capture() as spans, callspan.span("login") as span:
        span.set_input({"user": "ann", "password": "hunter2"})
    assert spans[0].input == {"user": "ann", "password": "[redacted]"}
    assert spans[0].redacted_count == 1


def test_a_span_that_cannot_be_captured_costs_nothing_but_itself(monkeypatch):
    def broken(span):
        raise ArithmeticError

    guard.strict = False
    with capture() as spans:
        monkeypatch.setattr(Span, "open_facts", broken)
        assert look_up("a") == "A"
        monkeypatch.undo()
        look_up("b")
    assert [span.input for span in spans] == [{"word": "b"}]
    assert guard.counts == {"capturing a span": 1}


# -- the same in every run ---------------------------------------------------------------------------------------------


def run():
    with capture(deterministic=True) as spans, callspan.conversation("c-1"):
        plan("why")
        plan("how")
    return spans


def test_deterministic_spans_are_equal_in_every_run():
    first, second = run(), run()
    assert [span.model_dump() for span in first] == [span.model_dump() for span in second]
    assert [span.step for span in first] == [1, 1, 1, 2, 2, 2]
    assert len({span.span_id for span in first}) == 6
    assert len({span.trace_id for span in first}) == 2


def test_deterministic_times_are_milliseconds():
    with capture(deterministic=True) as spans:
        plan("why")
    assert [span.duration_ms for span in spans] == [1.0, 1.0, 5.0]
    began = spans.one("plan").start_time_unix_ns
    assert [span.start_time_unix_ns - began for span in spans] == [1_000_000, 3_000_000, 0]
    assert 1_700_000_000_000_000_000 <= began < 1_700_000_000_100_000_000


def test_otherwise_spans_differ():
    with capture() as spans:
        look_up("a")
    with capture() as others:
        look_up("a")
    assert spans[0].span_id != others[0].span_id


# -- looking at them ---------------------------------------------------------------------------------------------------


def test_the_tree():
    with capture() as spans:
        assert spans.tree() == ""
        plan("why")
        with pytest.raises(AttributeError):
            look_up(5)
    assert spans.tree() == "chain plan\n  tool look_up\n  tool look_up\ntool look_up [error]"


def test_one():
    with capture() as spans:
        with pytest.raises(LookupError, match=r"^0 spans are named 'plan'; there are: no spans$"):
            spans.one("plan")
        plan("why")
    assert spans.one("plan") is spans[2]
    with pytest.raises(LookupError, match=r"^2 spans are named 'look_up'; there are: look_up, look_up, plan$"):
        spans.one("look_up")


def test_roots_and_children_by_start():
    with capture() as spans:
        with callspan.span("first"):
            plan("why")
        look_up("last")
    assert [span.name for span in spans.roots()] == ["first", "look_up"]
    first = spans.one("first")
    assert [span.name for span in spans.children(first)] == ["plan"]
    assert [span.input["word"] for span in spans.children(spans.one("plan"))] == ["why", "again"]
    assert spans.children(spans[0]) == []


def test_a_span_below_one_that_was_not_captured_is_a_root():
    with capture(), callspan.span("outside"), capture() as spans:
        look_up("a")
    assert spans[0].parent_id is not None
    assert spans.roots() == [*spans]
    assert spans.tree() == "tool look_up"


# -- the fixture -------------------------------------------------------------------------------------------------------

TESTS = """
import callspan
from callspan.capture.switch import switch

@callspan.tool
def look_up(word):
    return word.upper()

seen = []

def test_one(callspan_spans):
    look_up("a")
    assert callspan_spans.tree() == "tool look_up"
    seen.append(callspan_spans[0].span_id)

def test_two(callspan_spans):
    assert callspan_spans == []
    look_up("b")
    assert [callspan_spans.one("look_up").span_id] == seen

def test_three():
    assert switch.recorder is None
    look_up("c")
"""


def test_the_fixture(tmp_path):
    (tmp_path / "test_app.py").write_text(TESTS)
    source = str(Path(callspan.__file__).parents[1])
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "callspan.testing_pytest",
            "-p",
            "no:cacheprovider",
            "test_app.py",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": source, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(r"^3 passed", done.stdout, re.MULTILINE), done.stdout + done.stderr


def test_the_plugin_loads_nothing_of_callspan_for_tests_that_do_not_ask():
    program = "import sys, callspan.testing_pytest; print('callspan.testing' in sys.modules, 'httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


# -- canaries ----------------------------------------------------------------------------------------------------------


def test_a_canary_that_does_not_leave_is_no_trouble():
    with assert_never_leaves("canary-1", "canary-2") as spans, callspan.span("plan", kind="chain") as span:
        span.set_input({"password": "canary-1", "note": "api_key=canary-2x"})
    assert spans[0].redacted_count == 2


@pytest.mark.parametrize(
    ("plant", "where"),
    [
        (lambda span: span.set_input({"note": "canary-1"}), "input.note of the span chain 'plan'"),
        (lambda span: span.set_input([["x", "a canary-1 b"]]), "input.0.1 of"),
        (lambda span: span.set_attribute("canary-1", 3), "a name in attributes of"),
        (lambda span: span.add_event("picked", {"a": "canary-1"}), "events.0.attributes.a of"),
        (lambda span: span.update_name("canary-1"), "in name of"),
    ],
)
def test_a_canary_that_would_leave_is_found_and_its_place_named(plant, where):
    found = pytest.raises(AssertionError, match=re.escape(where))
    with found, assert_never_leaves("canary-1"), callspan.span("plan", kind="chain") as span:
        plant(span)


def test_canaries_go_by_the_users_own_rules():
    rules = callspan.Redaction(patterns=["canary-.*"])
    with assert_never_leaves("canary-1", redact=rules), callspan.span("plan", kind="chain") as span:
        span.set_input("canary-1")
    with assert_never_leaves("canary-1", capture_content=False), callspan.span("plan", kind="chain") as span:
        span.set_input("canary-1")


def test_a_canary_in_a_log_line_is_found():
    with pytest.raises(AssertionError, match="a log line"), assert_never_leaves("canary-1"):
        logging.getLogger("callspan").warning("it is %s", "canary-1")


def test_canaries_are_texts():
    with pytest.raises(callspan.ConfigurationError, match="canaries"), assert_never_leaves():
        pass
