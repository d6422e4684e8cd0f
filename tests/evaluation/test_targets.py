from callspan.evaluation.targets import Targets
from judged_records import chat, record

T1, T2 = f"{1:032x}", f"{2:032x}"


def numbers(subjects):
    return [int(subject.record.span_id, 16) for subject in subjects]


def test_spans_of_the_wanted_kinds_with_their_trace():
    root = record(1, kind="chain")
    spans = [root, chat("q", "a", 2, parent_id=root.span_id), record(3, kind="tool", parent_id=root.span_id)]
    targets = Targets(spans)
    (one,) = targets.at("span")
    assert (numbers([one]), [span.name for span in one.spans]) == ([2], ["call"] * 3)
    assert numbers(targets.at("span", ("tool", "chain"))) == [1, 3]
    assert numbers(targets.at("span", ())) == [1, 2, 3]
    assert targets.at("span", (), "f") == []


def test_the_same_model_call_is_judged_once_and_feedback_never():
    outer = chat("q", "a", 1, usage_below=True)
    said = record(3, kind="evaluator", parent_id=outer.span_id, feedback={"name": "x", "score": 1.0})
    assert numbers(Targets([outer, chat("q", "a", 2, parent_id=outer.span_id), said]).at("span")) == [2]


def test_roots_of_traces():
    spans = [record(1, kind="chain"), chat("q", "a", 2, parent_id=f"{1:016x}"), chat("r", "b", 3, trace_id=T2)]
    assert numbers(Targets(spans).at("trace")) == [1, 3]


def test_the_last_turn_of_each_conversation_with_all_turns():
    spans = [
        chat("third", "c", 30, trace_id=T2, conversation_id="c", step=3),
        chat("first", "a", 10, trace_id=T1, conversation_id="c", step=1),
        chat("inner", "x", 11, trace_id=T1, conversation_id="c", step=1, parent_id=f"{10:016x}"),
        chat("alone", "y", 40, trace_id=f"{4:032x}"),
    ]
    (one,) = Targets(spans).at("conversation")
    assert one.dialogue == "user: first\nassistant: a\nuser: third\nassistant: c"
