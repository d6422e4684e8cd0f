"""Who judges what: spans of the right kinds, the roots of traces, the last turns of conversations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from callspan.evaluation.scores import Evaluator
from callspan.evaluation.subjects import Subject
from callspan.model.feedback import COMPONENT as FEEDBACK
from callspan.reading.conversations import conversations_of
from callspan.reading.feedback import Joined, SpanIds
from callspan.reading.overview import Row
from callspan.reading.rows import records_of
from callspan.reading.trees import Trace, build_traces

Pair = tuple[Subject, Evaluator]


@dataclass(frozen=True, slots=True)
class Wish:
    """An evaluator, and the kinds of spans that it is for; None is every kind."""

    evaluator: Evaluator
    kinds: frozenset[str] | None = None


class Plan:
    """Works out on rows who judges what; the records are read, trace by trace, when they are judged.

    `total` is how many verdicts there will be. A trace is judged where one of its spans is chosen, a conversation where
    one of its spans is. With `only_roots`, evaluators of spans judge the roots of traces, whatever their kind. Where
    kinds are named, a framework's call that has the provider's own call below it is the same call, and is left out.
    """

    def __init__(
        self,
        rows: Iterable[Row],
        wishes: Sequence[Wish],
        is_chosen: Callable[[Row], bool] = lambda _: True,
        *,
        only_roots: bool = False,
    ) -> None:
        """Look at all rows, once."""
        known: dict[SpanIds, Row] = {
            (row.trace_id, row.span_id): row for row in rows if row.component != FEEDBACK and row.feedback_name is None
        }
        self._by_span = [wish for wish in wishes if wish.evaluator.level == "span"]
        self._by_trace = [wish.evaluator for wish in wishes if wish.evaluator.level == "trace"]
        self._by_conversation = [wish.evaluator for wish in wishes if wish.evaluator.level == "conversation"]
        self._is_chosen, self._only_roots = is_chosen, only_roots
        self._traces: list[tuple[Trace[Row], dict[str, list[Evaluator]]]] = []
        chats: set[str] = set()
        for trace in build_traces(known.values()):
            chosen = self._chosen_of(trace)
            chats.update(row.conversation_id for row in chosen if row.conversation_id is not None)
            wanted = self._wanted(trace, chosen)
            if wanted:
                self._traces.append((trace, wanted))
        self._chats = [row for row in known.values() if self._by_conversation and row.conversation_id in chats]
        self.total = sum(len(judges) for _, wanted in self._traces for judges in wanted.values())
        self.total += len({row.conversation_id for row in self._chats}) * len(self._by_conversation)

    def _chosen_of(self, trace: Trace[Row]) -> list[Row]:
        nodes = trace.roots if self._only_roots else [node for node, _ in trace.walk()]
        return [node.span for node in nodes if self._is_chosen(node.span)]

    def _wanted(self, trace: Trace[Row], chosen: Sequence[Row]) -> dict[str, list[Evaluator]]:
        wanted: dict[str, list[Evaluator]] = {}
        twice = {
            node.span.span_id
            for node, _ in trace.walk()
            if node.span.kind == "llm" and any(child.span.kind == "llm" for child in node.children)
        }
        for row in chosen:
            judges = [
                wish.evaluator
                for wish in self._by_span
                if self._only_roots or wish.kinds is None or (row.kind in wish.kinds and row.span_id not in twice)
            ]
            if judges:
                wanted[row.span_id] = judges
        if chosen and self._by_trace:
            wanted.setdefault(trace.roots[0].span.span_id, []).extend(self._by_trace)
        return wanted

    def pairs(self) -> Iterator[Pair]:
        """Yield every subject with each of its evaluators: traces in their order, then conversations."""
        records = records_of(node.span for trace, _ in self._traces for node, _ in trace.walk())
        for trace, wanted in self._traces:
            spans = [record for record in [next(records) for _ in trace.walk()] if record is not None]
            for span in spans:
                for evaluator in wanted.get(span.span_id, ()):
                    yield Subject(span, spans), evaluator
        for conversation in conversations_of(self._chats, Joined()) if self._chats else ():
            turns = [turn.root for turn in conversation.turns]
            for evaluator in self._by_conversation if turns else ():
                yield Subject(turns[-1], conversation.turns[-1].spans, turns), evaluator
