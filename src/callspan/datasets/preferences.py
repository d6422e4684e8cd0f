"""Pairs of a better and a worse answer to the same question, from feedback.

The form is that of direct preference optimisation:
https://platform.openai.com/docs/guides/direct-preference-optimization.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from callspan.datasets.chat import Refused, chat_line
from callspan.datasets.examples import Example, hash_of

Tree = dict[str, Any]


def pairs(examples: Iterable[Example], refused: Counter[str]) -> Iterator[tuple[Example, Tree]]:
    """Yield a line for each pair, with the call of the better answer; `facts["is_wanted"]` says which one that is.

    Questions are the same when their messages and tools are. Each answer is in at most one pair. Memory grows with the
    answers that wait for their other half.
    """
    waiting: dict[str, tuple[bool, list[tuple[Example, Tree]]]] = {}
    for example in examples:
        try:
            line = chat_line(example)
        except Refused as reason:
            refused[str(reason)] += 1
            continue
        is_better = bool(example.facts["is_wanted"])
        place = hash_of([line["messages"][:-1], line.get("tools")])
        waits_better, others = waiting.get(place, (is_better, []))
        if waits_better == is_better or not others:
            waiting[place] = (is_better, [*others, (example, line)])
            continue
        at = next((at for at, (_, one) in enumerate(others) if one["messages"][-1] != line["messages"][-1]), None)
        if at is None:
            refused["the same answer was liked and disliked"] += 1
            continue
        other = others.pop(at)
        better, worse = ((example, line), other) if is_better else (other, (example, line))
        yield better[0], _pair(better[1], worse[1])
    alone = sum(len(others) for _, others in waiting.values())
    if alone:
        refused["no other answer to compare with"] += alone


def _pair(better: Tree, worse: Tree) -> Tree:
    asked: Tree = {"messages": better["messages"][:-1]}
    if "tools" in better:
        asked["tools"] = better["tools"]
    return {
        "input": asked,
        "preferred_output": [better["messages"][-1]],
        "non_preferred_output": [worse["messages"][-1]],
    }
