"""The public API on one screen: what is there, what it is called, and what it costs to have it."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys

import pytest

import callspan

NAMES = """
    CallspanError ConfigurationError FlushResult Limits Price PromptError PromptStore PromptTemplate Redaction
    SampleRates __version__ agent chain configure context conversation current_span embedding evaluator extract feedback
    flush guardrail inject instrument llm observe preload_tokenizer prompt reranker retriever shutdown span stats
    suppress tool tracer_provider uninstrument using_prompt
""".split()  # noqa: SIM905 - as in the page


def test_every_public_name_is_there_and_listed():
    assert sorted(callspan.__all__) == sorted(NAMES)
    assert dir(callspan) == callspan.__all__
    for name in NAMES:
        assert getattr(callspan, name) is getattr(callspan, name)


def test_every_public_name_is_documented():
    for name in NAMES:
        if name != "__version__":
            assert inspect.getdoc(getattr(callspan, name)), name


def test_a_name_that_does_not_exist():
    with pytest.raises(AttributeError, match="module 'callspan' has no attribute 'trace'"):
        callspan.trace  # noqa: B018


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        ("observe", "function name kind input output reduce tags metadata vectors capture_content"),
        ("span", "name kind input tags metadata"),
        ("conversation", "conversation_id user_id step"),
        ("context", "user_id tags metadata"),
        ("using_prompt", "rendered"),
        ("suppress", ""),
        ("inject", "headers conversation"),
        ("extract", "headers conversation"),
        (
            "feedback",
            (
                "span name score label comment annotator idempotency_key traceparent trace_id span_id conversation "
                "step key"
            ),
        ),
        ("current_span", ""),
        ("flush", "timeout_s"),
        ("shutdown", "timeout_s"),
        ("stats", ""),
        ("prompt", "template name version"),
        ("PromptTemplate", "template name version"),
    ],
)
def test_parameters_keep_their_names(function, parameters):
    assert [*inspect.signature(getattr(callspan, function)).parameters] == parameters.split()


def test_an_import_loads_nothing_that_is_not_used_yet():
    heavy = [
        "asyncio",
        "wrapt",
        "orjson",
        "httpx",
        "pydantic",
        "opentelemetry",
        "openai",
        "tiktoken",
        "logging.handlers",
        "concurrent",
    ]
    program = f"import sys, callspan; callspan.observe(lambda: 1)(); print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


OFF = """
import callspan
with callspan.span("plan") as span:
    callspan.feedback(span, name="helpful", score=1)
callspan.feedback(callspan.current_span(), name="helpful", score=1)
context = callspan.current_span().get_span_context()
print(context.is_valid, context.trace_flags.sampled, span.is_recording(), callspan.stats())
"""


def test_all_that_code_asks_of_a_span_does_nothing_while_it_is_off():
    done = subprocess.run([sys.executable, "-c", OFF], capture_output=True, text=True, check=True)
    assert done.stdout == "False False False {}\n"


def test_examples_in_the_docstring_run():
    results = doctest.testmod(callspan)
    assert results.attempted >= 3
    assert not results.failed
