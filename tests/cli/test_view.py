from __future__ import annotations

import json

import pytest

from callspan.cli import main
from callspan.model.feedback import COMPONENT, Feedback
from callspan.model.record import SpanRecord
from callspan.model.span import ErrorFacts
from callspan.model.usage import Usage
from cli.traces import answered, failed, span
from span_files import foreign, write, write_requests
from spans import START_NS, finished


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "spans.jsonl", [*reversed(answered()), *reversed(failed())])


def view(capsys, *arguments):
    code = main(["view", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    return out


def test_at_80_columns(path, capsys):
    assert (
        view(capsys, path)
        == """\
2023-11-14 22:13:20 · trace a1000000 · shop-bot · conversation c-42 · step 1
5 spans · 421 tokens in, 96 out
✓ chain answer           1.84 s
├─ ✓ retriever search    120 ms
│  └─ ✓ embedding embed   80 ms    9→    embed-3
├─ ✓ llm chat gpt-4o     1.60 s  412→96  gpt-4o-mini
└─ ✓ tool look            35 ms

2023-11-14 22:13:25 · trace b2000000 · shop-bot · 4 spans · ~7 tokens out
✗ agent helper           900 ms
│  ✗ openai.RateLimitError
├─ ✗ llm chat            300 ms
│     ✗ openai.RateLimitError: 429: too many requests, try again in 300 ms
├─ ! tool slow           200 ms
│     ! cancelled
└─ ! llm draft           300 ms     →~7
      ! incomplete: length

2 traces · 9 spans · 2 errors · ~421 tokens in, ~103 out
"""
    )


def test_at_40_columns(path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")

    assert (
        view(capsys, path)
        == """\
2023-11-14 22:13:20 · trace a1000000
shop-bot · conversation c-42 · step 1
5 spans · 421 tokens in, 96 out
✓ chain answer
│  1.84 s
├─ ✓ retriever search
│  │  120 ms
│  └─ ✓ embedding embed
│        80 ms · 9→ · embed-3
├─ ✓ llm chat gpt-4o
│     1.60 s · 412→96 · gpt-4o-mini
└─ ✓ tool look
      35 ms

2023-11-14 22:13:25 · trace b2000000
shop-bot · 4 spans · ~7 tokens out
✗ agent helper
│  900 ms
│  ✗ openai.RateLimitError
├─ ✗ llm chat
│     300 ms
│     ✗ openai.RateLimitError: 429: too
│       many requests, try again in 300
│       ms
├─ ! tool slow
│     200 ms
│     ! cancelled
└─ ! llm draft
      300 ms · →~7
      ! incomplete: length

2 traces · 9 spans · 2 errors
~421 tokens in, ~103 out
"""
    )


def test_at_200_columns(path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    assert (
        view(capsys, path, "--limit", 1, "--slowest")
        == """\
2023-11-14 22:13:20 · trace a1000000 · shop-bot · conversation c-42 · step 1 · 5 spans · 421 tokens in, 96 out
✓ chain answer           1.84 s
├─ ✓ retriever search    120 ms
│  └─ ✓ embedding embed   80 ms    9→    embed-3
├─ ✓ llm chat gpt-4o     1.60 s  412→96  gpt-4o-mini
└─ ✓ tool look            35 ms

2 traces · 9 spans · 2 errors · ~421 tokens in, ~103 out · showing the slowest 1, --limit 0 for all
"""
    )


def test_inputs_and_outputs(path, capsys):
    assert (
        view(capsys, path, "--io", "--trace", "A1")
        == """\
2023-11-14 22:13:20 · trace a1000000 · shop-bot · conversation c-42 · step 1
5 spans · 421 tokens in, 96 out
✓ chain answer           1.84 s
│  input       {"question": "Why?"}
│  output      Because.
├─ ✓ retriever search    120 ms
│  │  query       Why?
│  │              top 2
│  │  document 1  score 0.91  d1  page=1
│  │              Paris is in France.
│  └─ ✓ embedding embed   80 ms    9→    embed-3
│        embedding   Why?
│                    [0.5, -0.25, 0.125, 1, ...] 5 numbers
├─ ✓ llm chat gpt-4o     1.60 s  412→96  gpt-4o-mini
│     prompt      rag v3
│                 Answer {question}
│     with        question = Why?
│     system      Be brief.
│     user        Why?
│     assistant   Because.
│     calls       look({"at": "sky"})
│     parameters  temperature=0.2
│     finished    stop
└─ ✓ tool look            35 ms
      arguments   {"at": "sky"}
      result      blue

1 trace · 5 spans · 0 errors · 421 tokens in, 96 out
"""
    )


def test_colors(path, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = view(capsys, path, "--trace", "b2")

    assert "\x1b[31m✗\x1b[0m\x1b[1;34m agent \x1b[0m\x1b[1mhelper\x1b[0m" in out
    assert "\x1b[33m! \x1b[0m\x1b[33mcancelled\x1b[0m" in out
    assert "\x1b" not in view(capsys, path, "--no-color")
    assert "\x1b" not in view(capsys, path, "--color", "never")


def test_errors_only(path, capsys):
    out = view(capsys, path, "--errors")

    assert "trace b2000000" in out
    assert "trace a1000000" not in out
    assert out.endswith("1 trace · 4 spans · 2 errors · ~7 tokens out\n")


def test_a_conversation(path, capsys):
    assert "1 trace · 5 spans" in view(capsys, path, "--conversation", "c-42")
    assert view(capsys, path, "--conversation", "c-43") == "no trace matches\n"


def test_kinds_and_the_way_to_them(path, capsys):
    assert (
        view(capsys, path, "--kind", "embedding", "--kind", "TOOL", "--trace", "a1", "--io")
        == """\
2023-11-14 22:13:20 · trace a1000000 · shop-bot · conversation c-42 · step 1
5 spans · 421 tokens in, 96 out
✓ chain answer           1.84 s
├─ ✓ retriever search    120 ms
│  └─ ✓ embedding embed   80 ms  9→  embed-3
│        embedding   Why?
│                    [0.5, -0.25, 0.125, 1, ...] 5 numbers
└─ ✓ tool look            35 ms
      arguments   {"at": "sky"}
      result      blue

1 trace · 5 spans · 0 errors · 421 tokens in, 96 out
"""
    )


def test_filters_meet_in_one_span(path, capsys):
    assert view(capsys, path, "--kind", "tool", "--errors") == "no trace matches\n"
    assert "trace b2000000" in view(capsys, path, "--kind", "llm", "--errors")


def test_the_newest_traces_with_the_newest_last(tmp_path, capsys):
    spans = [
        finished("chain", f"s{n}", trace_id=n << 120, start_ns=START_NS + n, end_ns=START_NS + 99 - 3 * n)
        for n in (3, 1, 2)
    ]
    path = write(tmp_path / "spans.jsonl", spans)

    def names(*arguments):
        return [line.split()[2] for line in view(capsys, path, *arguments).splitlines() if line.startswith("✓")]

    assert names() == ["s1", "s2", "s3"]
    assert names("--limit", 2) == ["s2", "s3"]
    assert names("--limit", 0, "--slowest") == ["s1", "s2", "s3"]
    assert names("--limit", 2, "--slowest") == ["s1", "s2"]


def test_twenty_traces_unless_more_are_wanted(tmp_path, capsys):
    path = write(
        tmp_path / "spans.jsonl", [finished("chain", trace_id=n + 1, start_ns=START_NS + n) for n in range(30)]
    )

    out = view(capsys, path)

    assert out.count("✓ chain") == 20
    assert out.endswith("30 traces · 30 spans · 0 errors · showing the newest 20, --limit 0 for all\n")
    assert f"trace {'0' * 30}1e" in out, "IDs that start alike are shown whole"
    assert view(capsys, path, "--limit", "0").count("✓ chain") == 30
    assert view(capsys, path, "--json").count("\n") == 30


def test_json_lines_of_records(path, capsys):
    records = [
        SpanRecord.model_validate_json(line) for line in view(capsys, path, "--json", "--kind", "llm").splitlines()
    ]

    assert [(record.name, record.model) for record in records] == [
        ("chat gpt-4o", "gpt-4o-mini"),
        ("chat", None),
        ("draft", None),
    ]
    assert json.loads(view(capsys, path, "--json", "--limit", "1").splitlines()[0])["trace_id"] == "b2" + "0" * 30


def test_a_file_that_changes_while_it_is_viewed(path, capsys, monkeypatch):
    monkeypatch.setattr("callspan.reading.rows.Again.lines", lambda *_: iter(()))

    assert view(capsys, path, "--json") == ""
    assert view(capsys, path, "--io") == view(capsys, path)


def test_strange_names_stay_in_their_columns(tmp_path, capsys):
    spans = [
        span("chain", "京都の天気を調べる", 1, None, 0, 500, request={"model": "モデル"}),
        span("tool", "cafe\u0301 \x1b[31mred\x1b[0m\nline", 2, 1, 1, 20, conversation_id="c-9", step=4),
        span("tool", "가격", 3, 1, 2, 20, conversation_id="c-10"),
        span("tool", "lost", 4, 77, 3, 20),
    ]

    assert (
        view(capsys, write(tmp_path / "spans.jsonl", spans))
        == """\
2023-11-14 22:13:20 · trace 5b8aa5a2 · shop-bot · conversation c-9 · step 4
4 spans
✓ chain 京都の天気を調べる              500 ms  モデル
├─ ✓ tool cafe\u0301 \\x1b[31mred\\x1b[0m line   20 ms
└─ ✓ tool 가격                           20 ms
      conversation c-10
✓ tool lost                              20 ms
   parent not in this file

1 trace · 4 spans · 0 errors
"""
    )


def test_a_single_orphan_is_told_of_in_the_heading(tmp_path, capsys):
    out = view(capsys, write(tmp_path / "spans.jsonl", [finished("chain", "handler", parent_id=9)]))

    assert "· 1 span\nparent not in this file\n✓ chain handler" in out


def test_long_names_are_cut(tmp_path, capsys):
    spans = [span("chain", "x" * 99, 1, None, 0, 5)]
    spans += [span("llm", "y" * 99, 2, 1, 0, 5, component="c" * 50, request={"model": "m" * 60}, usage=Usage(1, 2))]

    lines = view(capsys, write(tmp_path / "spans.jsonl", spans)).splitlines()

    assert lines[1] == "✓ chain " + "x" * 29 + "…  5.00 ms"
    assert lines[2] == "└─ ✓ llm:" + "c" * 15 + "… " + "y" * 11 + "…  5.00 ms  1→2  " + "m" * 25 + "…"
    assert max(map(len, lines)) <= 80


def test_a_chain_of_a_thousand_stays_on_the_screen(tmp_path, capsys):
    spans = [span("chain", f"level {n}", n + 1, n or None, n, 2000 - n) for n in range(1_000)]
    out = view(capsys, write(tmp_path / "spans.jsonl", spans))
    lines = out.splitlines()

    assert lines[11] == " " * 27 + "└─ ✓ chain level 10        1.99 s"
    assert lines[12] == " " * 30 + "…11 ✓ chain level 11    1.99 s"
    assert lines[1000] == " " * 30 + "…999 ✓ chain level 999  1.00 s"
    assert max(map(len, lines)) <= 80


def test_a_long_message_is_cut(tmp_path, capsys):
    error = ErrorFacts("ValueError", "word " * 1_000, [])
    path = write(tmp_path / "spans.jsonl", [span("chain", "x", 1, None, 0, 5, status=2, outcome="error", error=error)])

    lines = view(capsys, path).splitlines()

    assert lines[2].startswith("   ✗ ValueError: word word")
    assert lines[5].endswith("…")
    assert lines[6] == ""


def test_an_error_without_a_type(tmp_path, capsys):
    by_hand = span("chain", "x", 1, None, 0, 5, status=2, outcome="error", status_message="stock is empty")
    noted = foreign({"error.type": "timeout"}, name="noted")

    out = view(capsys, write(tmp_path / "a.jsonl", [by_hand]), write_requests(tmp_path / "b.jsonl", noted))

    assert "   ✗ error: stock is empty\n" in out
    assert "✓ chain noted   250 ms\n" in out


def test_several_files_and_folders(tmp_path, capsys):
    one = write(tmp_path / "one.jsonl", [finished("chain", trace_id=1)])
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder" / "two.jsonl", [finished("chain", trace_id=2)])

    assert "2 traces · 2 spans" in view(capsys, one, tmp_path / "folder")


def test_the_default_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".callspan").mkdir()
    write(tmp_path / ".callspan" / "spans.jsonl", [finished("chain", "mine")])

    assert "✓ chain mine" in view(capsys)


def test_tokens_that_agents_repeat_are_counted_once(tmp_path, capsys):
    spans = [
        span("agent", "a", 1, None, 0, 9, usage=Usage(10, 5)),
        span("chain", "b", 2, 1, 0, 8),
        span("llm", "c", 3, 2, 0, 7, usage=Usage(4, 2)),
        span("llm", "d", 4, 2, 0, 6, usage=Usage(6, 3)),
    ]

    assert "10 tokens in, 5 out" in view(capsys, write(tmp_path / "spans.jsonl", spans))


def test_what_holds_for_a_whole_trace_is_told_once(tmp_path, capsys):
    held = {"user_id": "u-7", "tags": ["beta"]}
    spans = [
        span("chain", "outer", 1, None, 0, 9, metadata={"tier": "gold"}, **held),
        span("chain", "inner", 2, 1, 1, 5, metadata={"tier": "gold", "try": 2}, **held),
        span("chain", "other", 3, None, 0, 9, trace_id=7, **held),
    ]

    out = view(capsys, write(tmp_path / "spans.jsonl", spans), "--io")

    assert out.count("user ID     u-7") == 2
    assert out.count("tags        beta") == 2
    assert out.count("tier=gold, try=2") == 1


def test_feedback_says_what_was_thought(tmp_path, capsys):
    told = Feedback("helpful", "span", 0.5, "meh", "Too long.")
    given = finished("evaluator", "feedback helpful", component=COMPONENT, feedback=told, parent_id=None)

    assert "✓ evaluator:feedback feedback helpful 0.5 meh  1.50 s\n" in view(
        capsys, write(tmp_path / "s.jsonl", [given])
    )
