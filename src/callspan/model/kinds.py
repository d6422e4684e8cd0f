"""The nine kinds of span, and the finer words people use for them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, Literal, get_args

Kind = Literal["llm", "chain", "agent", "tool", "retriever", "embedding", "reranker", "guardrail", "evaluator"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

# Words of other libraries and of everyday speech: (kind, what goes into callspan.component).
SYNONYMS: Final[dict[str, tuple[Kind, str | None]]] = {
    "chat": ("llm", None),
    "generation": ("llm", None),
    "retrieval": ("retriever", None),
    "embeddings": ("embedding", None),
    "rerank": ("reranker", None),
    "workflow": ("chain", "workflow"),
    "task": ("chain", "task"),
    "step": ("chain", "step"),
    "span": ("chain", None),
    "prompt": ("chain", "prompt"),
    "parser": ("chain", "parser"),
    "synthesizer": ("chain", "synthesizer"),
    "moderation": ("guardrail", "moderation"),
}


# GenAI's names of operations: (kind, what goes into callspan.component).
OPERATIONS: Final[dict[str, tuple[Kind, str | None]]] = {
    "chat": ("llm", None),
    "generate_content": ("llm", None),
    "text_completion": ("llm", None),
    "fetch_response": ("llm", None),
    "embeddings": ("embedding", None),
    "retrieval": ("retriever", None),
    "search_memory": ("retriever", "memory"),
    "execute_tool": ("tool", None),
    "invoke_agent": ("agent", None),
    "create_agent": ("agent", None),
    "invoke_workflow": ("chain", "workflow"),
    "plan": ("chain", "plan"),
}


def resolve(word: str) -> tuple[Kind, str | None]:
    """Return the kind that `word` names and the finer word to keep beside it, if any.

    Raises `KeyError` for a word that is neither a kind nor a known synonym.

    >>> resolve("tool")
    ('tool', None)
    >>> resolve("workflow")
    ('chain', 'workflow')
    """
    for kind in KINDS:
        if kind == word:
            return kind, None
    return SYNONYMS[word]


@lru_cache(maxsize=1024)
def kind_of(word: str | None, operation: str | None) -> tuple[Kind, str | None]:
    """Return the kind and the finer word for what anybody's span says of itself: a word for its kind, an operation.

    >>> kind_of("TOOL", None), kind_of(None, "invoke_workflow"), kind_of(None, None)
    (('tool', None), ('chain', 'workflow'), ('chain', None))
    """
    kind, component = OPERATIONS.get(operation or "", ("chain", None))
    word = (word or "unknown").lower()
    if word != "unknown":
        try:
            kind, component = resolve(word)
        except KeyError:
            component = word
    return kind, component
