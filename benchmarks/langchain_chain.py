"""What watching LangChain costs the calling thread: a prompt, a model that does nothing, and a parser; four spans.

Beside it stand a handler that does nothing, which is what LangChain itself asks for a handler, and what a careful user
writes by hand: a handler that makes OpenTelemetry spans with `json.dumps` of inputs and outputs. Skipped where
LangChain is not installed.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Any

import callspan
from benchmarks.bursts import Contestant, interleave
from benchmarks.caller import flush, record_all
from benchmarks.otel_json import Reference
from benchmarks.report import Row
from benchmarks.shapes import ANSWER, QUESTION

MOST_OF_OTEL = 3 / 4  # which keeps no prompts, scores or conversations, and makes nothing current


def make_chain() -> Any:
    from langchain_core.language_models import FakeListChatModel
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate

    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")])
    return prompt | FakeListChatModel(responses=[ANSWER["content"]]) | StrOutputParser()


def make_handlers(tracer: Any) -> tuple[Any, Any]:
    """Return the handler that does nothing, and the one with OpenTelemetry spans."""
    from langchain_core.callbacks import BaseCallbackHandler
    from opentelemetry.trace import set_span_in_context

    class Nothing(BaseCallbackHandler):
        run_inline = True

        def on_chain_start(self, *_: Any, **__: Any) -> None:
            """Do nothing."""

        def on_chat_model_start(self, *_: Any, **__: Any) -> None:
            """Do nothing; without it, LangChain would make texts of the messages."""

    class ByHand(BaseCallbackHandler):
        run_inline = True

        def __init__(self) -> None:
            self.open: dict[Any, Any] = {}

        def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: Any, **told: Any) -> None:
            parent = self.open.get(told.get("parent_run_id"))
            context = set_span_in_context(parent) if parent is not None else None
            name = told.get("name") or (serialized or {}).get("name") or "run"
            self.open[run_id] = span = tracer.start_span(name, context=context)
            span.set_attribute("input.value", json.dumps(inputs, default=_dump))
            span.set_attribute("metadata", json.dumps(told.get("metadata"), default=str))

        on_chat_model_start = on_chain_start

        def on_chain_end(self, outputs: Any, *, run_id: Any, **_: Any) -> None:
            span = self.open.pop(run_id)
            span.set_attribute("output.value", json.dumps(outputs, default=_dump))
            span.end()

        on_llm_end = on_chain_end

    return Nothing(), ByHand()


def _dump(value: Any) -> Any:
    return value.model_dump() if hasattr(value, "model_dump") else str(value)


def measure(*, bursts: int = 30, calls: int = 200) -> list[Row]:
    """Measure the chain; no row where LangChain is not installed."""
    if find_spec("langchain_core") is None:
        return []
    from langchain_core.tracers import context

    reference, chain, given = Reference(), make_chain(), {"question": QUESTION}

    def run(count: int) -> None:
        for _ in range(count):
            chain.invoke(given)

    def registered(handler: Any) -> Callable[[], None]:
        variable: ContextVar[Any] = ContextVar("benchmark", default=handler)
        return lambda: context.register_configure_hook(variable, inheritable=True)

    def unregister() -> None:
        context._configure_hooks.pop()  # noqa: SLF001 - there is no other way

    def unregister_and_flush() -> None:
        unregister()
        reference.flush()

    def watch() -> None:
        callspan.instrument("langchain")
        run(1)

    def unwatch() -> None:
        flush()
        callspan.uninstrument("langchain")

    nothing, by_hand = make_handlers(reference.tracer)
    record_all()
    contestants = [
        Contestant("bare", run),
        Contestant("no-op handler", run, before=registered(nothing), after=unregister),
        Contestant("otel+json", run, before=registered(by_hand), after=unregister_and_flush),
        Contestant("callspan", run, before=watch, after=unwatch),
    ]
    for contestant in contestants:
        contestant.calls = max(calls // 10, 1)
    try:
        interleave(contestants, bursts)
    finally:
        reference.close()
        callspan.shutdown(timeout_s=60)
    row = Row.above("langchain chain", contestants)
    row.demand("otel+json", MOST_OF_OTEL)
    return [row]
