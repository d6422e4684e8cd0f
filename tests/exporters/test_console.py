"""What the console exporter prints, character by character, and what becomes of spans that it cannot print."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

import callspan
from callspan.errors import ConfigurationError
from callspan.exporters import ConsoleExporter
from callspan.exporters.contract import Batch
from callspan.model.feedback import COMPONENT, Feedback
from callspan.model.resource import Resource
from callspan.model.span import STATUS_ERROR, ErrorFacts, Span
from callspan.model.usage import Usage
from spans import START_NS, finished, text

RESOURCE = Resource({"service.name": "shop"})
ROOT, CHILD, GRANDCHILD = 0xA, 0xB, 0xC


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def root(**given) -> Span:
    return finished("agent", "plan", span_id=ROOT, start_ns=START_NS, end_ns=START_NS + 2_000_000_000, **given)


def child(**given) -> Span:
    return finished(
        "llm",
        "chat",
        span_id=CHILD,
        parent_id=ROOT,
        start_ns=START_NS + 1_000_000,
        end_ns=START_NS + 1_501_000_000,
        request={"model": "gpt-4o"},
        usage=Usage(input_tokens=612, output_tokens=98),
        **given,
    )


def export(exporter: ConsoleExporter, *spans: Span):
    return exporter.export(Batch(spans, RESOURCE))


class Screen:
    """A stream that says what it can show, and remembers how often it was written to."""

    def __init__(self, *, encoding: str = "utf-8", terminal: bool = False) -> None:
        self.encoding = encoding
        self.text = ""
        self.writes = 0
        self._terminal = terminal

    def write(self, text: str) -> int:
        self.writes += 1
        self.text += text
        return len(text)

    def isatty(self) -> bool:
        return self._terminal


TREE = """\
2023-11-14 22:13:20 · trace 5b8aa5a2 · shop · 2 spans · 612 tokens in, 98 out
✓ agent plan   2.00 s
└─ ✓ llm chat  1.50 s  612→98  gpt-4o

"""


def test_nothing_is_printed_before_the_root_ends_and_then_all_of_it_at_once():
    screen = Screen()
    console = ConsoleExporter(screen)

    assert export(console, child()).delivered == 1
    assert screen.text == ""
    assert export(console, root()).delivered == 1

    assert screen.text == TREE
    assert screen.writes == 1


def test_a_narrow_terminal_has_the_figures_below(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    screen = Screen(encoding="ascii")
    export(ConsoleExporter(screen), child(), root())

    assert screen.text.splitlines()[-5:] == [
        "+ agent plan",
        "|  2.00 s",
        "`- + llm chat",
        "      1.50 s | 612>98 | gpt-4o",
        "",
    ]


@pytest.mark.parametrize(
    ("terminal", "environment", "options", "is_painted"),
    [
        (True, {}, {}, True),
        (False, {}, {}, False),
        (True, {"NO_COLOR": "1"}, {}, False),
        (False, {"FORCE_COLOR": "1"}, {}, True),
        (True, {}, {"color": "never"}, False),
        (False, {"NO_COLOR": "1"}, {"color": "always"}, True),
    ],
)
def test_colours_are_for_terminals_and_nobody_who_does_not_want_them(
    monkeypatch, terminal, environment, options, is_painted
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    screen = Screen(terminal=terminal)
    export(ConsoleExporter(screen, **options), root())

    assert ("\x1b[32m✓\x1b[0m" in screen.text) is is_painted
    assert ("\x1b" in screen.text) is is_painted


def test_nothing_in_the_data_steers_the_terminal():
    screen = Screen()
    error = ErrorFacts("Bad\x1b]0;title\x07", "\x1b[2J gone", [])
    span = root(
        error=error,
        status=STATUS_ERROR,
        outcome="error",
        conversation_id="c\x1b[1m",
        input_messages=[text("user", "\x1b[31mred\u202e")],
        attributes={"key\x1b": "value\x9b"},
    )
    span.name = "plan\x1b[5m\r\nsecond"
    export(ConsoleExporter(screen, io=True, dialects="genai"), span)

    assert {character for character in screen.text if not character.isprintable()} == {"\n"}
    assert "plan\\x1b[5m second" in screen.text
    assert "\\x1b[31mred\\u202e" in screen.text


def test_inputs_and_outputs_on_request():
    screen = Screen()
    span = child(input_messages=[text("user", "Socks?")], output_messages=[text("assistant", "Blue ones.")])
    export(ConsoleExporter(screen, io=True), span, root())

    assert "      user        Socks?\n      assistant   Blue ones.\n" in screen.text


def test_attributes_as_a_backend_gets_them_on_request():
    screen = Screen()
    export(ConsoleExporter(screen, dialects=["genai", "openinference"]), child(), root())

    assert "      gen_ai.request.model = gpt-4o\n" in screen.text
    assert "      llm.token_count.prompt = 612\n" in screen.text
    assert "   openinference.span.kind = AGENT\n" in screen.text.replace("│", " ")


def test_what_has_a_parent_in_another_process_is_a_root_here():
    screen = Screen()
    export(ConsoleExporter(screen), root(parent_id=0xFFFF, is_entry=True))

    assert screen.text == ("2023-11-14 22:13:20 · trace 5b8aa5a2 · shop · 1 span\n✓ agent plan  2.00 s\n\n")


def test_feedback_says_what_was_thought():
    screen = Screen()
    told = Feedback("helpful", "trace", 0, "down")
    given = finished("evaluator", "feedback helpful", component=COMPONENT, feedback=told, parent_id=None, is_entry=True)
    export(ConsoleExporter(screen), given)

    assert "✓ evaluator:feedback feedback helpful 0 down  1.50 s\n" in screen.text


def test_what_ends_after_its_root_is_printed_when_it_ends():
    screen = Screen()
    console = ConsoleExporter(screen)
    export(console, root())
    before = len(screen.text)
    export(console, child())

    assert "parent shown before\n✓ llm chat  1.50 s" in screen.text[before:]


def test_roots_that_never_end_are_bounded_and_their_spans_printed_without_them():
    screen = Screen()
    console = ConsoleExporter(screen, max_spans=10)
    for number in range(1, 101):
        export(console, finished("tool", f"tool {number}", trace_id=number, span_id=number, parent_id=0xFFFF))

    assert len(console._pending) == 10
    assert "tool 90" in screen.text
    assert "tool 91" not in screen.text

    console.close()
    assert "tool 100" in screen.text
    assert len(console._pending) == 0


class Broken(Screen):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_what_cannot_be_printed_is_counted_and_no_error():
    result = export(ConsoleExporter(Broken()), root(), root())

    assert (result.delivered, result.rejected, result.reason) == (
        0,
        2,
        "the terminal cannot be written (BrokenPipeError)",
    )


def test_closing_over_a_broken_stream_raises_nothing():
    console = ConsoleExporter(Broken())
    export(console, child())
    console.close()


def test_stderr_is_looked_up_when_something_is_printed(monkeypatch):
    console = ConsoleExporter()
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    export(console, root())
    assert "agent plan" in screen.text

    monkeypatch.setattr(sys, "stderr", None)
    assert export(console, root()).rejected == 1


@pytest.mark.parametrize(
    "options",
    [
        {"stream": 3},
        {"color": "sometimes"},
        {"io": "yes"},
        {"max_spans": 0},
        {"name": ""},
        {"dialects": "klingon"},
    ],
)
def test_wrong_arguments_are_named(options):
    with pytest.raises(ConfigurationError) as caught:
        ConsoleExporter(**options)
    assert next(iter(options)) in str(caught.value)


def test_by_name_with_real_spans_on_stderr(tmp_path):
    program = tmp_path / "app.py"
    program.write_text(
        "import callspan\n"
        "callspan.configure(service_name='shop', exporters=['console'])\n"
        "@callspan.tool\n"
        "def price(item):\n"
        "    return 3\n"
        "with callspan.span('order', kind='chain'):\n"
        "    price('socks')\n"
        "print('sold')\n"
    )
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, encoding="utf-8", check=True)

    assert done.stdout == "sold\n"
    assert [line.split()[:4] for line in done.stderr.splitlines()[1:3]] == [
        ["✓", "chain", "order", done.stderr.splitlines()[1].split()[3]],
        ["└─", "✓", "tool", "price"],
    ]


def test_flush_leaves_nothing_unprinted(monkeypatch):
    screen = Screen()
    callspan.configure(exporters=[ConsoleExporter(screen)])
    with callspan.span("order"):
        pass
    assert callspan.flush(5)
    assert "chain order" in screen.text
    assert callspan.stats()["console"]["delivered"] == 1
