import csv
import json

import pytest

from callspan.errors import CallspanError, ReadError
from callspan.evaluation.golden import Golden


def rows(path, *told):
    path.write_text("".join(json.dumps(row) + "\n" for row in told))
    return path


def test_rows_by_question_span_or_trace(tmp_path):
    golden = Golden.read(
        rows(
            tmp_path / "golden.jsonl",
            {"question": "Capital of France?", "expected": "Paris"},
            {"trace_id": "t1", "span_id": "s1", "question": "Of Poland?", "expected": ["Warsaw"]},
            {"trace_id": "t2", "expected": "Rome"},
            {"question": "No answer yet", "expected": None},
        )
    )
    assert golden.expected == {
        "Capital of France?": "Paris",
        "s1": ["Warsaw"],
        "Of Poland?": ["Warsaw"],
        "t2": "Rome",
    }
    assert (golden.relevant, golden.ambiguous) == ({}, 0)


def test_relevant_documents_as_lists_grades_and_in_csv(tmp_path):
    lines = rows(
        tmp_path / "golden.jsonl",
        {"question": "a", "relevant": ["d1", 2]},
        {"question": "b", "relevant": {"d1": 3}},
    )
    assert Golden.read(lines).relevant == {"a": ["d1", "2"], "b": {"d1": 3.0}}
    table = tmp_path / "golden.csv"
    table.write_text('question,relevant\na,d1; d2\nb,"[""x"", ""y""]"\nc,"{""z"": 2}"\nd,\n')
    assert Golden.read(table).relevant == {"a": ["d1", "d2"], "b": ["x", "y"], "c": {"z": 2.0}}


def test_a_question_with_two_answers_has_none_and_is_counted(tmp_path):
    golden = Golden.read(
        rows(
            tmp_path / "golden.jsonl",
            {"span_id": "s1", "question": "Which one?", "expected": "this"},
            {"span_id": "s2", "question": "Which one?", "expected": "that"},
            {"question": "Twice the same?", "expected": "yes"},
            {"question": "Twice the same?", "expected": "yes"},
        )
    )
    assert golden.expected == {"s1": "this", "s2": "that", "Twice the same?": "yes"}
    assert golden.ambiguous == 1


def test_long_fields_of_a_table(tmp_path):
    table = tmp_path / "golden.csv"
    table.write_text("question,expected\nlong," + "x" * 200_000 + "\n")
    before = csv.field_size_limit()
    assert len(Golden.read(table).expected["long"]) == 200_000
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("g.jsonl", '{"question": "a", "expected": "b"}\n{"expected": "b"}\n', "line 2: a row needs one of span_id"),
        ("g.jsonl", "nonsense\n", "line 1: this is no JSON"),
        ("g.jsonl", "[1]\n", "line 1: a row is a JSON object"),
        ("g.jsonl", '{"question": "a"}\n', "no row has a value for `expected` or `relevant`"),
        ("g.jsonl", '{"question": "a", "relevant": {"d": "much"}}\n', "line 1: relevant: could not convert"),
        ("g.csv", "question,relevant\na,[d1\n", "line 2: relevant: "),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, text, problem):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(CallspanError, match=r"g[.]") as raised:
        Golden.read(path)
    assert problem in str(raised.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(ReadError):
        Golden.read(tmp_path / "nothing.jsonl")
    (tmp_path / "latin.csv").write_bytes(b"question,expected\n\xe9t\xe9,a\n")
    with pytest.raises(CallspanError, match="no UTF-8"):
        Golden.read(tmp_path / "latin.csv")
