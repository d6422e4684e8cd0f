"""Pairs of a better and a worse answer to the same question, from feedback.

The form is that of direct preference optimisation:
https://platform.openai.com/docs/guides/direct-preference-optimization.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from callspan.datasets.examples import digest_of

Tree = dict[str, Any]


def pairs(lines: Iterable[tuple[Tree, Tree]], refused: Counter[str]) -> Iterator[tuple[Tree, Tree]]:
    """Yield a line for each pair, with the facts of the better answer; `is_wanted` of the facts says which that is.

    `lines` are the facts of calls with their lines for chat models. Questions are the same when their messages and
    tools are. Each answer is in at most one pair. Memory grows with the answers that wait for their other half.
    """
    waiting: dict[bytes, tuple[bool, list[tuple[Tree, Tree]]]] = {}
    for facts, line in lines:
        is_better = bool(facts["is_wanted"])
        place = digest_of([line["messages"][:-1], line.get("tools")])
        waits_better, others = waiting.get(place, (is_better, []))
        if waits_better == is_better or not others:
            waiting[place] = (is_better, [*others, (facts, line)])
            continue
        at = next((at for at, (_, one) in enumerate(others) if one["messages"][-1] != line["messages"][-1]), None)
        if at is None:
            refused["the same answer was liked and disliked"] += 1
            continue
        other = others.pop(at)
        better, worse = ((facts, line), other) if is_better else (other, (facts, line))
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
