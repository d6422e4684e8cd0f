"""Lines read only as far as rows need: what is understood is what the reader of everything understands."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from callspan.model.feedback import COMPONENT, Feedback
from callspan.model.span import ErrorFacts, Event
from callspan.model.usage import Usage
from callspan.reading import rows
from callspan.reading.files import LoadReport, files_of, read_lines
from callspan.reading.lean import lean_reader
from callspan.reading.rows import load_rows
from span_files import foreign, write, write_requests
from spans import FIXED, finished

pytest.importorskip("msgspec")


def both_ways(path, monkeypatch):
    """Return the rows of a file and what was counted, read leanly and in full."""
    found = []
    for reader in (lean_reader, lambda *_: None):
        monkeypatch.setattr(rows, "lean_reader", reader)
        report = LoadReport()
        found.append((list(load_rows(files_of(path), report)), vars(report)))
    return found


def is_lean(path):
    """Say of each line whether it is read leanly."""
    return [lean_reader()(line) is not None for line in read_lines([path], LoadReport())]


@pytest.mark.parametrize("dialects", ["genai", "genai-1.41", "openinference", "genai,openinference"])
def test_spans_of_our_own(tmp_path, monkeypatch, dialects):
    given = [
        *FIXED.values(),
        finished("llm", usage=Usage(input_tokens=3, source="estimated")),
        finished("chain", "no parent, Köln", parent_id=None),
        finished("evaluator", component=COMPONENT, feedback=Feedback("helpful", "trace", 1, "up", "thanks")),
    ]
    path = write(tmp_path / "spans.jsonl", given, dialects)

    lean, full = both_ways(path, monkeypatch)

    assert lean == full
    assert len(lean[0]) == len(given)
    assert sum(is_lean(path)) >= len(given) - 1, "one of the fixed spans failed"


def test_what_there_is_more_to_tell_of_is_read_in_full(tmp_path, monkeypatch):
    failed = finished("tool", status=2, outcome="error", error=ErrorFacts("KeyError", "'sku'", []))
    cancelled = finished("tool", outcome="cancelled")
    picked = finished("tool", events=[Event("picked", 5, {"a": 1})])
    path = write(tmp_path / "spans.jsonl", [failed, cancelled, picked, finished("tool")])

    lean, full = both_ways(path, monkeypatch)

    assert lean == full
    assert [row.outcome for row in lean[0]] == ["error", "cancelled", "ok", "ok"]
    assert lean[0][0].error_message == "'sku'"
    assert is_lean(path) == [False, False, False, True]


USUAL = {
    "names in order of their worth": {"gen_ai.request.model": "a", "llm.model_name": "b", "gen_ai.response.model": "c"},
    "an empty text is none": {"gen_ai.response.model": "", "gen_ai.request.model": "a"},
    "counts": {"gen_ai.usage.input_tokens": 7, "llm.token_count.completion": 3.0, "callspan.cost.total": 0.5},
    "lists": {"tag.tags": ["a", "b"], "gen_ai.response.finish_reasons": ["stop", "length"]},
    "another tool's evaluation": {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": 0.25},
    "a provider by two words": {"llm.provider": "azure", "llm.system": "openai"},
    "unknown ones of any type": {"x": {"a": [1]}, "y": True, "z": [1.5], "text": 'with "quotes" \\ and \ud7ff'},
}
UNUSUAL = {
    "a number for a text": {"user.id": 17},
    "a truth value": {"gen_ai.usage.input_tokens": True},
    "a list of numbers": {"tag.tags": [1, 2]},
    "a dictionary": {"metadata": {"a": 1}},
    "an error by its attribute": {"error.type": "Timeout"},
}


@pytest.mark.parametrize("case", [*USUAL, *UNUSUAL])
def test_attributes_of_others(tmp_path, monkeypatch, case):
    path = write_requests(tmp_path / "foreign.jsonl", foreign({**USUAL, **UNUSUAL}[case]))

    lean, full = both_ways(path, monkeypatch)

    assert lean == full
    assert lean[1]["read"] == 1
    assert is_lean(path) == [case in USUAL]


def test_the_best_name_wins(tmp_path, monkeypatch):
    told = {"gen_ai.response.model": "c", "llm.model_name": "b", "gen_ai.request.model": "a", "user.id": "u"}
    path = write_requests(tmp_path / "foreign.jsonl", foreign(told), foreign(dict(reversed(told.items()))))

    for found, _ in both_ways(path, monkeypatch):
        assert [(row.model, row.user_id) for row in found] == [("c", "u"), ("c", "u")]


def test_several_spans_in_a_line_are_numbered(tmp_path, monkeypatch):
    request = foreign({"user.id": "u"})
    scope = request["resourceSpans"][0]["scopeSpans"][0]
    scope["spans"] = [{**scope["spans"][0], "spanId": f"{number:016x}"} for number in (1, 2, 3)]

    lean, full = both_ways(write_requests(tmp_path / "foreign.jsonl", request), monkeypatch)

    assert lean == full
    assert [(row.span_id[-1], row.place.number) for row in lean[0]] == [("1", 0), ("2", 1), ("3", 2)]


ODD_LINES = {
    "not JSON": b'{"resourceSpans": tru}\n',
    "cut": b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0af7',
    "not UTF-8 where no row looks": json.dumps(foreign({"x": "?"})).encode().replace(b'"?"', b'"\xff"') + b"\n",
    "half a character": json.dumps(foreign({"user.id": "\ud83d"})).encode() + b"\n",
    "not a number": b'{"resourceSpans":[{"scopeSpans":[{"spans":[NaN]}]}]}\n',
    "no request": b"[]\n",
    "metrics": b'{"resourceMetrics":[]}\n',
    "no IDs": json.dumps(foreign(traceId="0" * 32)).encode() + b"\n",
    "no start": json.dumps(foreign(startTimeUnixNano=None)).encode() + b"\n",
    "an odd start": json.dumps(foreign(startTimeUnixNano="soon")).encode() + b"\n",
    "an attribute that is none": json.dumps(foreign({"user.id": "u"}))
    .replace('[{"key"', '[5, {"key": 7}, {"key": "metadata"}, {"key"')
    .encode(),
    "snake_case": b'{"resource_spans":[{"scope_spans":[{"spans":[]}]}]}\n',
    "a mark at the head": b"\xef\xbb\xbf" + json.dumps(foreign({"user.id": "u"})).encode() + b"\n",
    "deep": b'{"resourceSpans":' + b"[" * 5_000 + b"]" * 5_000 + b"}\n",
}


@pytest.mark.parametrize("case", ODD_LINES)
def test_what_cannot_be_read_is_counted_the_same(tmp_path, monkeypatch, case):
    path = tmp_path / "odd.jsonl"
    path.write_bytes(ODD_LINES[case])

    lean, full = both_ways(path, monkeypatch)

    assert lean == full


def test_without_msgspec_everything_is_read_in_full(tmp_path):
    path = write(tmp_path / "spans.jsonl", [finished("tool", "order")])
    program = (
        "import sys; sys.modules['msgspec'] = None\n"
        "from callspan.reading import LoadReport\n"
        "from callspan.reading.files import files_of\n"
        "from callspan.reading.rows import load_rows\n"
        f"print([row.name for row in load_rows(files_of({str(path)!r}), LoadReport())])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "['order']\n"
