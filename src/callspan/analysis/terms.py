"""The words that tell one group of texts from the others."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_PRIOR: Final = 0.5  # how much the use of a word elsewhere counts beforehand, as a share of all its use


def distinguishing_terms(texts: Sequence[str], groups: Sequence[int], count: int = 6) -> dict[int, list[str]]:
    """Return the words of each group that are used there most surely more often than elsewhere, most telling first.

    Ranked by the z-score of the log-odds with an informative Dirichlet prior (Monroe, Colaresi and Quinn, 2008), which
    needs no list of stop words. A word counts once a text, so that one long text does not speak for its group.

    >>> distinguishing_terms(["the red sock", "a red hat", "the blue car", "a blue sky"], [0, 0, 1, 1], 1)
    {0: ['red'], 1: ['blue']}
    """
    used: dict[int, Counter[str]] = {group: Counter() for group in dict.fromkeys(groups)}
    for text, group in zip(texts, groups, strict=True):
        used[group].update(set(_WORD.findall(text.lower())))
    everywhere: Counter[str] = Counter()
    for words in used.values():
        everywhere.update(words)
    return {group: _top(words, everywhere, count) for group, words in used.items()}


def _top(words: Counter[str], everywhere: Counter[str], count: int) -> list[str]:
    inside, total = words.total(), everywhere.total()
    outside = total - inside
    prior = _PRIOR * total
    scored = []
    for word, here in words.items():
        weight = _PRIOR * everywhere[word]
        there = everywhere[word] - here
        odds = math.log((here + weight) / (inside + prior - here - weight + 1e-9))
        odds -= math.log((there + weight) / (outside + prior - there - weight + 1e-9))
        scored.append((odds / math.sqrt(1 / (here + weight) + 1 / (there + weight)), word))
    scored.sort(key=lambda pair: (-pair[0], pair[1]))
    return [word for score, word in scored[:count] if score > 0]
