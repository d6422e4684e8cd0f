"""callspan: see what your LLM application does.

>>> import callspan
>>> @callspan.llm
... def ask(question: str) -> str:
...     return "42"
>>> with callspan.conversation("c-1"):
...     ask("What is the answer?")
'42'

Decorated functions are recorded once `callspan.configure()` was called, or `CALLSPAN_EXPORTERS` is set; until then
they are only passed through. Everything here is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callspan.version import VERSION as __version__  # noqa: N811 - the name that everybody looks for

if TYPE_CHECKING:
    from callspan.capture.decorators import (
        agent,
        chain,
        embedding,
        evaluator,
        guardrail,
        llm,
        observe,
        reranker,
        retriever,
        tool,
    )
    from callspan.capture.feedback import feedback
    from callspan.capture.propagation import extract, inject
    from callspan.capture.scopes import context, conversation, suppress, using_prompt
    from callspan.capture.spans import current_span, span
    from callspan.capture.tracing import tracer_provider
    from callspan.errors import CallspanError, ConfigurationError, PromptError
    from callspan.integrations.registry import instrument, uninstrument
    from callspan.model.prompt import PromptTemplate, prompt
    from callspan.pipeline.counters import FlushResult
    from callspan.pipeline.tokens import preload_tokenizer
    from callspan.policy import Limits, Price, Redaction, SampleRates
    from callspan.prompts.store import PromptStore
    from callspan.runtime import configure, flush, shutdown, stats

__all__ = [
    "CallspanError",
    "ConfigurationError",
    "FlushResult",
    "Limits",
    "Price",
    "PromptError",
    "PromptStore",
    "PromptTemplate",
    "Redaction",
    "SampleRates",
    "__version__",
    "agent",
    "chain",
    "configure",
    "context",
    "conversation",
    "current_span",
    "embedding",
    "evaluator",
    "extract",
    "feedback",
    "flush",
    "guardrail",
    "inject",
    "instrument",
    "llm",
    "observe",
    "preload_tokenizer",
    "prompt",
    "reranker",
    "retriever",
    "shutdown",
    "span",
    "stats",
    "suppress",
    "tool",
    "tracer_provider",
    "uninstrument",
    "using_prompt",
]

_PLACES: Final = {
    "capture.decorators": "agent chain embedding evaluator guardrail llm observe reranker retriever tool",
    "capture.feedback": "feedback",
    "capture.propagation": "extract inject",
    "capture.scopes": "context conversation suppress using_prompt",
    "capture.spans": "current_span span",
    "capture.tracing": "tracer_provider",
    "errors": "CallspanError ConfigurationError PromptError",
    "integrations.registry": "instrument uninstrument",
    "model.prompt": "PromptTemplate prompt",
    "pipeline.counters": "FlushResult",
    "prompts.store": "PromptStore",
    "pipeline.tokens": "preload_tokenizer",
    "policy": "Limits Price Redaction SampleRates",
    "runtime": "configure flush shutdown stats",
}
_MODULE_OF: Final = {name: module for module, names in _PLACES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    module = _MODULE_OF.get(name)
    if module is None:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module  # noqa: PLC0415

    value = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


def _configure_from_environment() -> None:
    """Turn on at the first import where the environment names exporters, as `callspan run` does."""
    from os import environ  # noqa: PLC0415

    if environ.get("CALLSPAN_EXPORTERS"):
        from callspan.runtime import configure_from_environment  # noqa: PLC0415 - only where it is asked for

        configure_from_environment()


_configure_from_environment()
