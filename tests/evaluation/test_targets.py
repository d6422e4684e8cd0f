from callspan.evaluation.scores import FunctionEvaluator
from callspan.evaluation.targets import Plan, Wish
from callspan.reading import LoadReport
from callspan.reading.files import files_of
from callspan.reading.rows import load_rows
from judged_files import call, said, search
from span_files import write

LLM = frozenset({"llm"})


def rows_of(tmp_path, *spans):
    return [*load_rows(files_of(write(tmp_path / "spans.jsonl", spans)), LoadReport())]


def judge(level="span"):
    return FunctionEvaluator("judge", bool, level)


def judged(plan):
    found = [int(subject.record.span_id, 16) for subject, _ in plan.pairs()]
    assert len(found) == plan.total
    return found


def test_spans_of_the_wanted_kinds_with_their_trace(tmp_path):
    inner = call(2, "q", "a", trace_id=1, parent_id=1)
    rows = rows_of(tmp_path, call(1, "q", "a", kind="chain"), inner, search(3, "q", "d", trace_id=1, parent_id=1))
    plan = Plan(rows, [Wish(judge(), LLM)])
    ((subject, _),) = plan.pairs()
    assert (plan.total, subject.question, [span.name for span in subject.spans]) == (1, "q", ["chat", "chat", "search"])
    assert judged(Plan(rows, [Wish(judge(), frozenset({"retriever", "chain"}))])) == [1, 3]
    assert judged(Plan(rows, [Wish(judge())])) == [1, 2, 3]
    assert judged(Plan(rows, [Wish(judge(), LLM), Wish(judge())])) == [1, 2, 2, 3]
    assert judged(Plan(rows, [Wish(judge(), LLM)], only_roots=True)) == [1]
    assert judged(Plan(rows, [Wish(judge())], lambda row: row.name == "search")) == [3]


def test_the_same_model_call_is_judged_once_and_feedback_never(tmp_path):
    rows = rows_of(tmp_path, call(1, "q", "a"), call(2, "q", "a", trace_id=1, parent_id=1), said(2, "helpful", 1.0))
    assert judged(Plan(rows, [Wish(judge(), LLM)])) == [2]


def test_roots_of_traces(tmp_path):
    rows = rows_of(tmp_path, call(1, "q", "a"), call(2, "q", "a", trace_id=1, parent_id=1), call(3, "r", "b"))
    assert judged(Plan(rows, [Wish(judge("trace"))])) == [1, 3]
    assert judged(Plan(rows, [Wish(judge("trace"))], lambda row: row.span_id.endswith("2"))) == [1]


def test_the_last_turn_of_each_conversation_with_all_turns(tmp_path):
    turn = {"conversation_id": "c"}
    rows = rows_of(
        tmp_path,
        call(30, "third", "c", step=3, **turn),
        call(10, "first", "a", step=1, **turn),
        call(11, "inner", "x", step=1, trace_id=10, parent_id=10, **turn),
        call(40, "alone", "y"),
    )
    ((subject, _),) = Plan(rows, [Wish(judge("conversation"))]).pairs()
    assert subject.dialogue == "user: first\nassistant: a\nuser: third\nassistant: c"
    # One of its turns is enough; a conversation that nobody chose is not read.
    assert Plan(rows, [Wish(judge("conversation"))], lambda row: row.span_id.endswith("0a")).total == 1
    assert Plan(rows, [Wish(judge("conversation"))], lambda row: row.conversation_id is None).total == 0
