import pytest

from callspan.analysis.points import Verdict, recorded
from judged_records import chat, record

FOR_ALL = {"name": "solved", "target": "conversation", "score": 0.0}
BY_KEY = {"name": "paid", "target": "key", "key": "order=17", "score": 1.0}


def verdict(target, number, name="helpful", **said):
    feedback = {"name": name, "target": said.pop("target", "span"), **said}
    return record(number, kind="evaluator", parent_id=target.span_id, trace_id=target.trace_id, feedback=feedback)


def test_a_call_becomes_a_point():
    call = chat(
        "Why?",
        "So.",
        7,
        usage={"input_tokens": 10, "output_tokens": 5},
        response={"model": "m-1"},
        prompts=[{"template": "{q}", "variables": {}, "name": "ask", "version": "v2"}],
        attributes={"callspan.cost.total": 0.25},
        conversation_id="c",
    )
    (point,) = recorded([call]).points
    assert (point.prompt, point.response, point.tokens, point.cost) == ("Why?", "So.", 15, 0.25)
    assert (point.model, point.prompt_version, point.duration_ms) == ("m-1", "ask@v2", 1.0)
    assert (point.conversation_id, point.span_id) == ("c", f"{7:016x}")
    assert (point.is_judged, point.is_bad) == (False, False)
    assert [point.text(on) for on in ("prompt", "response", "both")] == ["Why?", "So.", "Why?"]


def test_what_is_no_point():
    spans = [record(1), chat("q", "a", 2), record(3, kind="tool", input="x")]
    assert [point.span_id[-1] for point in recorded(spans).points] == ["2"]
    assert [point.prompt for point in recorded(spans, kind="tool").points] == ["x"]


def test_a_framework_s_call_with_the_provider_s_below_is_the_same_call():
    spans = [chat("q", "a", 1, usage_below=True), chat("q", "a", 2, parent_id=f"{1:016x}")]
    assert [point.span_id[-1] for point in recorded(spans).points] == ["2"]


def test_a_call_that_was_delivered_twice_is_one_point_and_the_last_is_it():
    call, other = chat("q", "a", 1), chat("q", "other", 2)
    found = recorded([call, other, chat("q", "b", 1), verdict(call, 3, score=0.0)]).points
    assert [(point.span_id[-1], point.response, point.is_bad) for point in found] == [
        ("1", "b", True),
        ("2", "other", False),
    ]


def test_verdicts_before_and_after_their_span_and_on_the_root():
    root = record(1, kind="chain")
    call = chat("q", "a", 2, parent_id=root.span_id)
    spans = [verdict(call, 3, score=0.0), root, call, verdict(root, 4, "polite", label="thumbs_down")]
    (point,) = recorded(spans).points
    assert point.verdicts == [Verdict("helpful", 0.0, None), Verdict("polite", None, "thumbs_down")]
    assert point.is_judged
    assert point.is_bad


def test_verdicts_for_nobody_are_left_out():
    other = chat("q", "a", 1, trace_id=f"{9:032x}")
    assert recorded([verdict(other, 2, score=1.0)]).points == []


def test_what_is_said_of_another_span_of_the_trace_is_not_about_the_call():
    root = record(1, kind="chain")
    other = record(2, kind="retriever", parent_id=root.span_id)
    call = chat("q", "a", 3, parent_id=root.span_id)
    (point,) = recorded([root, other, call, verdict(other, 4, "relevant", score=0.0)]).points
    assert point.verdicts == []


def test_the_newest_of_each_judge_counts():
    call = chat("q", "a", 2)
    said = [
        verdict(call, 9, score=1.0),
        verdict(call, 8, score=0.0),
        verdict(call, 7, score=0.25, annotator="llm"),
    ]
    (point,) = recorded([call, *said]).points
    assert sorted(one.score for one in point.verdicts) == [0.25, 1.0]


def test_verdicts_on_whole_conversations_and_by_key():
    first = chat("q", "a", 2, conversation_id="c", metadata={"order": 17})
    second = chat("r", "b", 3, trace_id=f"{2:032x}", conversation_id="c")
    whole = record(4, trace_id=f"{3:032x}", kind="evaluator", conversation_id="c", feedback=FOR_ALL)
    keyed = record(5, trace_id=f"{4:032x}", kind="evaluator", feedback=BY_KEY)
    points = recorded([first, second, whole, keyed]).points
    assert [[one.name for one in point.verdicts] for point in points] == [["solved", "paid"], ["solved"]]


def test_a_circle_of_spans_ends():
    spans = [record(1, kind="chain", parent_id=f"{2:016x}"), chat("q", "a", 2, parent_id=f"{1:016x}")]
    (point,) = recorded([*spans, verdict(spans[1], 3, score=0.0)]).points
    assert point.is_bad


@pytest.mark.parametrize(
    ("said", "bad"),
    [
        ({"score": 0.49}, True),
        ({"score": 0.5}, False),
        ({"score": 1, "label": "down"}, False),
        ({"label": "Down"}, True),
        ({"label": "up"}, False),
        ({}, False),
    ],
)
def test_what_is_bad(said, bad):
    call = chat("q", "a", 2)
    (point,) = recorded([call, verdict(call, 3, **said)]).points
    assert point.is_bad is bad


def test_a_call_that_failed_is_bad_without_a_verdict():
    (point,) = recorded([chat("q", "", 2, outcome="error")]).points
    assert (point.is_judged, point.is_bad) == (True, True)


def test_recorded_vectors_by_model():
    spans = [
        record(
            kind="embedding",
            request={"model": "small"},
            embeddings=[{"text": "a", "vector": [1.0]}, {"text": "b"}, {"vector": [2.0]}],
        ),
        record(2, kind="embedding", embeddings=[{"text": "c", "vector": [3.0]}]),
    ]
    assert recorded(spans).vectors == {"small": {"a": [1.0]}, "(unknown)": {"c": [3.0]}}


def test_long_texts_are_embedded_by_their_beginning():
    (point,) = recorded([chat("q" * 7_000, "a", 2)]).points
    assert (len(point.prompt), point.text("prompt")) == (7_000, "q" * 6_000)
