"""The nine kinds of span, and the finer words people use for them."""

from __future__ import annotations

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
