"""How surprised a model was by its own answer, where the log probabilities of its tokens were captured."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from callspan.evaluation.scores import Level, Score
from callspan.evaluation.subjects import Subject, subject_of
from callspan.model.record import SpanRecord


@dataclass(frozen=True)
class Perplexity:
    """The perplexity of the answer, from 1 (certain) upwards: the exponential of the mean negative log probability."""

    name: str = "perplexity"
    level: Level = "span"

    @property
    def identity(self) -> str:
        """The name; there is nothing to choose."""
        return self.name

    def evaluate(self, record: SpanRecord | Subject) -> Score:
        """Compute it from `logprob` values anywhere in the response or the output."""
        span = subject_of(record).record
        found = [*_log_probabilities([span.response, span.output, span.output_messages, span.attributes])]
        if not found:
            return Score(self.name, error="no log probabilities were captured; ask the provider for them")
        return Score(self.name, math.exp(-sum(found) / len(found)))


def _log_probabilities(tree: Any) -> Iterator[float]:
    """Yield the chosen tokens' log probabilities; alternatives, under `top_logprobs`, are not chosen ones."""
    stack = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            value = item.get("logprob")
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield float(value)
            stack.extend(inner for key, inner in item.items() if key != "top_logprobs")
        elif isinstance(item, list):
            stack.extend(item)
