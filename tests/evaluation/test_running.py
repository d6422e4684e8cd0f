import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import pytest

from callspan.evaluation.judges import Judge
from callspan.evaluation.limits import Budget, Limits, Pace, Purse, is_transient, retry_after_s, wait_s
from callspan.evaluation.rubrics import TOXICITY
from callspan.evaluation.running import OUT_OF_BUDGET, evaluate, evaluate_async
from callspan.evaluation.scores import FunctionEvaluator, Score
from callspan.evaluation.verdicts import Verdicts, key_of
from judge_server import said, serve, verdict
from judged_records import chat
from programs import environment

openai = pytest.importorskip("openai")
QUICK = Limits(concurrency=16, attempts=6, timeout_s=5, first_wait_s=0.005)


def judge_of(server, **options):
    return Judge(TOXICITY, openai.OpenAI(base_url=server.url, api_key="k", max_retries=0), "judge-1", **options)


def chats(count):
    return [chat(f"question {number}", f"answer {number}", number) for number in range(1, count + 1)]


def test_functions_and_several_evaluators_in_order():
    def fails(record):
        raise LookupError("nothing there")

    found = evaluate(chats(3), [lambda record: True, fails])
    assert [(result.record.span_id[-1], result.score.score, result.score.error) for result in found.results] == [
        ("1", 1.0, None),
        ("1", None, "LookupError: nothing there"),
        ("2", 1.0, None),
        ("2", None, "LookupError: nothing there"),
        ("3", 1.0, None),
        ("3", None, "LookupError: nothing there"),
    ]
    assert [result.score.name for result in found.errors] == ["fails"] * 3


@pytest.mark.parametrize("score", [float("nan"), "high", True])
def test_a_score_that_is_no_number_is_an_error(score):
    (result,) = evaluate(chats(1), [lambda record: Score("s", score, "good")]).results
    assert (result.score.score, result.score.label) == (None, None)
    assert result.score.error == f"the score is {score!r}, not a number"


def test_an_error_has_no_score():
    (result,) = evaluate(chats(1), [lambda record: {"score": 1, "label": "x", "error": "broke"}]).results
    assert result.score == Score("<lambda>", error="broke")


def test_a_bad_server_every_record_ends_once_with_a_score_or_an_error():
    """10 % of the requests fail, 10 % are asked to wait, 10 % break off, 10 % of the answers are nonsense."""

    def answer(number, request):
        text = request["messages"][1]["content"]
        if number % 10 == 3:
            return 500, {}, {"error": {"message": "oops"}}
        if number % 10 == 5:
            return 429, {"Retry-After": "0.01"}, {"error": {"message": "slow down"}}
        if number % 10 == 7:
            return None
        return said("it is fine") if "answer 7" in text else verdict("clean")

    seen = []
    with serve(answer) as server:
        limits = replace(QUICK, attempts=15)  # with six, one in 14 runs has a request that meets a fault each time
        found = evaluate(chats(100), [judge_of(server)], limits=limits, on_result=seen.append)
    assert [result.record.span_id for result in found.results] == [f"{number:016x}" for number in range(1, 101)]
    assert len(seen) == 100
    told = Counter(result.score.label or result.score.error for result in found.results)
    nonsense = 11  # answer 7 and 70 to 79
    assert told == {"clean": 100 - nonsense, "the judge's answer is no JSON object: 'it is fine'": nonsense}
    assert found.input_tokens == 100 * 50
    assert len(server.requests) > 100
    assert server.most_at_once <= 16


def test_what_never_succeeds_ends_with_the_error():
    with serve(lambda number, request: (503, {}, {"error": {"message": "closed"}})) as server:
        limits = Limits(attempts=3, first_wait_s=0.001)
        (result,) = evaluate(chats(1), [judge_of(server)], limits=limits).results
    assert result.score.error.startswith("InternalServerError after 3 attempts: ")
    assert len(server.requests) == 3


def test_what_cannot_succeed_is_not_tried_again():
    with serve(lambda number, request: (401, {}, {"error": {"message": "who are you?"}})) as server:
        (result,) = evaluate(chats(1), [judge_of(server)], limits=QUICK).results
    assert result.score.error.startswith("AuthenticationError: ")
    assert len(server.requests) == 1


def test_a_judge_that_hangs_is_given_up():
    class Hanging:
        name, level, identity, is_costly = "hanging", "span", "hanging", True

        async def evaluate(self, record):
            await asyncio.sleep(60)

    began = time.monotonic()
    limits = Limits(attempts=2, timeout_s=0.05, first_wait_s=0.001)
    (result,) = evaluate(chats(1), [Hanging()], limits=limits).results
    assert result.score.error.startswith("TimeoutError after 2 attempts")
    assert time.monotonic() - began < 5


def test_the_budget_is_never_exceeded():
    with serve(lambda number, request: verdict("clean")) as server:
        judge = judge_of(server, max_tokens=10)
        bound = judge.bound_tokens(chats(1)[0])
        budget = Budget(tokens=bound + 10 * 60)  # what one may use at the most, and ten that used 60
        found = evaluate(chats(40), [judge], limits=QUICK, budget=budget)
    assert found.spent_tokens == found.input_tokens + found.output_tokens == 60 * len(server.requests)
    assert found.spent_tokens <= budget.tokens
    assert len(server.requests) == 11  # a twelfth might have been too much
    told = Counter(result.score.label or result.score.error for result in found.results)
    assert told == {"clean": 11, OUT_OF_BUDGET: 29}


def test_a_budget_of_money():
    with serve(lambda number, request: verdict("clean")) as server:
        judge = judge_of(server, max_tokens=10)
        bound = judge.bound_tokens(chats(1)[0])
        budget = Budget(cost=(bound * 20 + 3 * 700 + 1) / 1e6, input_price=10, output_price=20)  # 700 each
        found = evaluate(chats(10), [judge], limits=Limits(concurrency=1), budget=budget)
    assert len(server.requests) == 4
    assert found.spent_cost == pytest.approx(4 * 700 / 1e6)


def test_what_breaks_off_counts_in_full():
    with serve(lambda number, request: None) as server:
        judge = judge_of(server)
        bound = judge.bound_tokens(chats(1)[0])
        found = evaluate(chats(1), [judge], limits=Limits(attempts=2, first_wait_s=0.001))
    assert found.spent_tokens == 2 * bound
    assert found.results[0].score.error.startswith("APIConnectionError after 2 attempts")


def test_the_same_texts_are_judged_once_and_kept(tmp_path):
    cache = tmp_path / "verdicts.db"
    twins = [chat("q", "a", 1), chat("q", "a", 2), chat("q", "b", 3)]
    with serve(lambda number, request: verdict("clean")) as server:
        first = evaluate(twins, [judge_of(server)], cache=cache)
        second = evaluate(twins, [judge_of(server)], cache=cache)
        assert len(server.requests) == 2
        evaluate(twins, [judge_of(server, max_tokens=9)], cache=cache)  # another judge
        assert len(server.requests) == 4
    assert [result.cached for result in first.results] == [False, True, False]
    assert [result.cached for result in second.results] == [True] * 3
    assert (second.input_tokens, second.spent_tokens) == (0, 0)
    assert [result.score for result in second.results] == [result.score for result in first.results]
    assert cache.stat().st_mode & 0o777 == 0o600


def test_errors_are_tried_again_in_a_later_run(tmp_path):
    cache = tmp_path / "verdicts.db"
    with serve(lambda number, request: said("nonsense") if number == 0 else verdict("clean")) as server:
        assert evaluate(chats(1), [judge_of(server)], cache=cache).errors
        assert not evaluate(chats(1), [judge_of(server)], cache=cache).errors


def test_killed_and_resumed_loses_nothing_and_pays_nothing_twice(tmp_path):
    program = f"""
        import sys
        sys.path.insert(0, {str(tmp_path.parent)!r})
        import openai
        from judged_records import chat
        from callspan.evaluation.judges import Judge
        from callspan.evaluation.limits import Limits
        from callspan.evaluation.rubrics import TOXICITY
        from callspan.evaluation.running import evaluate
        chats = [chat(f"question {{n}}", f"answer {{n}}", n) for n in range(1, 41)]
        client = openai.OpenAI(base_url=sys.argv[1], api_key="k", max_retries=0)
        evaluate(chats, [Judge(TOXICITY, client, "judge-1")], limits=Limits(concurrency=2), cache="verdicts.db")
    """
    (tmp_path / "program.py").write_text("\n".join(line[8:] for line in program.splitlines()))
    answered = []

    def answer(number, request):
        time.sleep(0.01)
        answered.append(number)
        return verdict("clean")

    with serve(answer) as server:
        command = [sys.executable, "program.py", server.url]
        process = subprocess.Popen(command, cwd=tmp_path, env=environment())
        while len(answered) < 15:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = sqlite3.connect(tmp_path / "verdicts.db").execute("select count(*) from verdicts").fetchone()[0]
        before = len(server.requests)
        found = evaluate(chats(40), [judge_of(server)], cache=tmp_path / "verdicts.db")
    assert 10 <= kept <= before
    assert [result.score.label for result in found.results] == ["clean"] * 40
    assert len(server.requests) - before == 40 - kept
    assert sum(result.cached for result in found.results) == kept


async def test_in_a_running_loop():
    async def slow(record):
        await asyncio.sleep(0)
        return 0.5

    found = await evaluate_async(chats(2), [slow])
    assert [result.score.score for result in found.results] == [0.5, 0.5]


# -- limits ------------------------------------------------------------------------------------------------------------


async def test_the_pace():
    pace = Pace(6_000)  # one each 10 ms
    began = time.monotonic()
    await asyncio.gather(*(pace.wait() for _ in range(6)))
    assert time.monotonic() - began >= 0.045
    pace.hold(0.05)
    held = time.monotonic()
    await pace.wait()
    assert time.monotonic() - held >= 0.045


async def test_no_pace_but_patience():
    pace = Pace(None)
    await pace.wait()
    pace.hold(0.03)
    held = time.monotonic()
    await asyncio.gather(pace.wait(), pace.wait())
    assert 0.025 <= time.monotonic() - held < 1


async def test_a_purse_waits_for_change():
    purse = Purse(Budget(tokens=100))
    assert await purse.reserve(80)
    waiting = asyncio.create_task(purse.reserve(50))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await purse.settle(80, 20, 10)
    assert await waiting
    await purse.settle(50, 50, 0)
    assert not await purse.reserve(21)
    assert (purse.spent_tokens, await purse.reserve(20)) == (80, True)


class Answered(Exception):
    def __init__(self, status=None, **headers):
        self.status_code = status
        self.response = type("Response", (), {"headers": {name.replace("_", "-"): headers[name] for name in headers}})


class ReadTimeout(Exception):
    pass


def test_what_may_help_to_try_again():
    assert [is_transient(Answered(status)) for status in (429, 503, 400, 401)] == [True, True, False, False]
    assert [is_transient(error) for error in (TimeoutError(), ConnectionResetError(), ReadTimeout(), KeyError())] == [
        True,
        True,
        True,
        False,
    ]


def test_how_long_a_server_asks_to_wait():
    assert retry_after_s(Answered(429, retry_after="2.5")) == 2.5
    assert retry_after_s(Answered(429, retry_after="99999")) == 60
    assert retry_after_s(Answered(429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT")) == 0
    assert retry_after_s(Answered(429, retry_after="soon")) is None
    assert retry_after_s(Answered(429)) is None
    assert retry_after_s(KeyError()) is None


def test_waits_grow_up_to_a_bound():
    limits = Limits(first_wait_s=1)
    assert max(wait_s(limits, 1) for _ in range(200)) <= 2
    assert max(wait_s(limits, 30) for _ in range(200)) <= 60
    assert max(wait_s(limits, 5) for _ in range(200)) > 2


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_keys_tell_apart_what_was_seen(tmp_path):
    from callspan.evaluation.subjects import Subject

    judge = Judge(TOXICITY, None)
    plain = FunctionEvaluator("f", bool)
    subjects = [Subject(chat("q", "a")), Subject(chat("q", "b")), Subject(chat("r", "a"))]
    keys = {key_of(evaluator, subject) for evaluator in (judge, plain) for subject in subjects}
    keys.add(key_of(Judge(TOXICITY, None, expected="x"), subjects[0]))
    assert len(keys) == 7
    assert key_of(judge, Subject(chat("q", "a", 5))) == key_of(judge, subjects[0])
    verdicts = Verdicts(tmp_path / "v.db")
    verdicts.put("k", Score("s", error="no"))
    assert verdicts.get("k") is None
    verdicts.close()
