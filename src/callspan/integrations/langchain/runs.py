"""The runs that are open: a span for each, found by the run's ID, below the run that started it.

LangChain's events come from anywhere: the end of a run in another task than its start, a child's end after its
parent's, some never. So a run's parent is found by its ID. The context is asked only for roots, which have none, and
where the user's own span inside the parent started the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from callspan.capture.call import Call
from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.integrations.langchain.objects import tree_of
from callspan.model.span import InertSpan, Snapshot, Span
from callspan.recording.otel import SCOPE_KEY, SPAN_KEY, Context, get_context, hollow, set_context
from callspan.recording.recorder import Recorder, account
from callspan.recording.scope import EMPTY_SCOPE, Scope
from callspan.recording.sites import Site
from callspan.recording.snapshot import freeze

RUN_KEY: Final = "callspan-langchain-run"
"""Where a context holds the span of the innermost run."""

OPEN_RUNS: Final = 10_000
ABSENT: Final = object()
_OWN: Final = (SPAN_KEY, SCOPE_KEY, RUN_KEY)
_CONVERSATION: Final = ("conversation_id", "session_id", "thread_id")
_PLUMBING: Final = ("ls_", "lc_", "langgraph_", "checkpoint_", "__")  # beginnings of metadata that LangChain adds
_MACHINE_TAGS: Final = ("seq:", "graph:", "map:", "condition:", "branch:", "langsmith:")
_USUAL: Final = frozenset(  # what LangChain adds most often: looking it up takes a fifth of looking at its beginning
    {"ls_provider", "ls_model_name", "ls_model_type", "ls_temperature", "ls_max_tokens", "ls_stop", "ls_integration"}
    | {"langgraph_step", "langgraph_node", "langgraph_triggers", "langgraph_path", "langgraph_checkpoint_ns"}
    | {"checkpoint_ns", "lc_versions"}
)


class Run(Call):
    """One run of LangChain's. `below` are its open children by their IDs."""

    __slots__ = ("below", "identity", "is_by_events", "is_entered", "metadata", "parent_run", "pieces", "room")

    parent_run: Run | None
    below: dict[Any, Run] | None
    identity: Any
    is_by_events: bool  # its model tells of the pieces of an answer by events only
    is_entered: bool  # its span was made current where the run began, so the end has to take it out there
    metadata: Mapping[str, Any] | None
    pieces: list[str] | None  # of a streamed answer, while there is room for so many bytes
    room: int  # set with the first piece

    def enter_here(self) -> None:
        """Make the span current for what the caller does next, until `leave_here` or the end."""
        self.is_entered = True
        set_context(self._own)

    def leave_here(self) -> None:
        """Make current what was before `enter_here`, wherever that has got to."""
        if self.is_entered:
            self.is_entered = False
            self.leave()
            hollow(self._own, self._outer, _OWN)

    def enter_copy(self) -> None:
        """Make the span current in a copy of the context in which the run began; the copy is thrown away."""
        current = get_context()
        set_context(self._own if current is self._outer else merged(current, self._own))

    def tell_input(self, inputs: Any) -> None:
        """Take what a stream was given, of which it tells only at its end."""
        if self.span.input is None:
            self.span.set_input(tree_of(inputs))

    def elapsed_ns(self) -> int:
        """Return how long the run has lasted."""
        return self._recorder.ticks() - self.span._ticks  # noqa: SLF001 - the other half of a call

    @property
    def recorder(self) -> Recorder:
        """The recorder that opened the span."""
        return self._recorder

    @property
    def own(self) -> Context:
        """The context in which the span is current."""
        return self._own


class Unrecorded:
    """A run that is not recorded, nor is what it starts; `own` is the context that says so to others, if any does."""

    __slots__ = ("own",)

    def __init__(self, own: Context | None) -> None:
        """Hold the context."""
        self.own = own

    def enter_copy(self) -> None:
        """Let nothing be recorded in a copy of the context."""
        if self.own is not None:
            set_context(merged(get_context(), self.own))


class Hidden:
    """A run that LangChain hides: what it starts is below the run that started it."""

    __slots__ = ("parent",)

    def __init__(self, parent: Run | Unrecorded | None) -> None:
        """Stand for the parent."""
        self.parent = parent


class Runs:
    """All open runs, at most `limit`: the oldest are then ended as incomplete. Safe from any thread, without a lock.

    A run is found by the number of its ID: the hash of a UUID itself is Python code.
    """

    def __init__(self, limit: int = OPEN_RUNS) -> None:
        """Start with none."""
        self._limit = limit
        self.by_number: dict[Any, Run | Unrecorded | Hidden] = {}

    def __len__(self) -> int:
        """Return how many runs are open."""
        return len(self.by_number)

    def find(self, run_id: Any) -> Run | Unrecorded | None:
        """Return an open run, that of the parent for a hidden one; None for no ID, too."""
        if run_id is None:
            return None
        found = self.by_number.get(getattr(run_id, "int", run_id))
        return found.parent if isinstance(found, Hidden) else found

    def hide(self, run_id: Any, parent: Run | Unrecorded | None) -> None:
        """Let a run's parent stand for it until it ends."""
        self._put(getattr(run_id, "int", run_id), Hidden(parent))

    def open(
        self,
        site: Site,
        run_id: Any,
        parent: Run | Unrecorded | None,
        tags: list[str] | None,
        metadata: dict[str, Any] | None,
    ) -> Run | None:
        """Open a run, neither started nor current, nor found before `start`; None where it is not recorded."""
        recorder = switch.recorder
        if recorder is None:
            return None
        identity = getattr(run_id, "int", run_id)
        outer = here = get_context()
        if parent is not None:
            if type(parent) is not Run:
                self._put(identity, parent)
                return None
            if here is not parent._own and here.get(RUN_KEY) is not parent.span:  # noqa: SLF001 - one of our own
                outer = merged(here, parent._own)  # noqa: SLF001
        labels = tags if tags and not _is_step(tags) else None
        if metadata or labels:
            outer = told(outer, labels, metadata, parent)
        opened = recorder.open(site, outer, RUN_KEY)
        if opened is None or type(opened[0]) is InertSpan:
            self._put(identity, Unrecorded(None if opened is None else opened[1]))
            return None
        run = Run()
        run.span, run._own, _ = opened  # noqa: SLF001 - its constructor
        run._recorder, run._outer = recorder, here  # noqa: SLF001
        run.identity, run.parent_run, run.metadata = identity, parent, metadata
        run.below = run.pieces = None
        run.is_by_events = run.is_entered = False
        return run

    def start(self, run: Run, given: Snapshot | None = None) -> None:
        """Start a run with what it was given, and keep it until it is taken out."""
        span, parent, recorder = run.span, run.parent_run, run._recorder  # noqa: SLF001 - one of our own
        if given is not None:
            span.input = given
            span.size += given[3]
            if given[4] or given[5]:
                account(span, "input", given)
        span._ticks = ticks = recorder.ticks()  # noqa: SLF001 - as in `Recorder.start`
        span.start_ns = ticks + recorder.clock.offset_ns
        identity = run.identity
        if parent is not None:
            if parent.below is None:
                parent.below = {}
            parent.below[identity] = run
        self.by_number[identity] = run
        if len(self.by_number) > self._limit:
            self._evict()

    def take(self, identity: Any) -> Run | None:
        """Take out a run by the number of its ID; None where it is not recorded, or has ended already."""
        run = self.by_number.pop(identity, None)
        if type(run) is not Run:
            return None
        parent = run.parent_run
        if parent is not None and parent.below:
            parent.below.pop(identity, None)
        return run

    def spans(self) -> list[Span]:
        """Return the spans of all open runs, the oldest first."""
        return [run.span for run in [*self.by_number.values()] if type(run) is Run]

    def _put(self, identity: Any, run: Run | Unrecorded | Hidden) -> None:
        self.by_number[identity] = run
        if len(self.by_number) > self._limit:
            self._evict()

    def _evict(self) -> None:
        while len(self.by_number) > self._limit:
            try:
                oldest = self.take(next(iter(self.by_number)))
            except (StopIteration, RuntimeError):  # another thread adds or evicts at this moment: it sees to the rest
                return
            if oldest is not None:
                guard.count("evicted a run of langchain")
                oldest.span.outcome = "incomplete"
                oldest.leave_here()
                oldest.span.end()


def merged(current: Context, own: Context) -> Context:
    """Return the current context with the span, the scope and the run of another."""
    made: dict[str, object] = {**current}
    for key in _OWN:
        if key in own:
            made[key] = own[key]
        else:
            made.pop(key, None)
    return Context(made)


def told(outer: Context, tags: list[str] | None, metadata: dict[str, Any] | None, parent: Run | None) -> Context:
    """Return the context with what a run's tags and metadata say of it and of all below; `outer` if that is nothing.

    What the parent was told is known already: LangChain hands everything on. The conversation that the user has named
    to callspan wins over one in the metadata.
    """
    before: Any = outer.get(SCOPE_KEY)
    scope: Any = before
    labels = [tag for tag in tags if type(tag) is str and not tag.startswith(_MACHINE_TAGS)] if tags else None
    if labels and not (before is not None and before.tags and set(labels) <= set(before.tags)):
        scope = (scope or EMPTY_SCOPE).add(None, tuple(labels), ())
    if metadata:
        news = _news_in(metadata, parent.metadata if parent is not None else None)
        if news:
            scope = (scope or EMPTY_SCOPE).add(None, (), (freeze([news]),))
            if scope.conversation_id is None:
                scope = _conversed(scope, news)
    return outer if scope is before else Context({**outer, SCOPE_KEY: scope})


def _is_step(tags: list[str]) -> bool:
    """Return whether all that the tags say is which step of a sequence a run is."""
    return len(tags) == 1 and type(tags[0]) is str and tags[0].startswith("seq:step:")


def _news_in(metadata: dict[str, Any], known: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what is the user's in a run's metadata, and was not told of its parent; None where that is nothing."""
    news = None
    for key, value in metadata.items():
        if type(key) is not str or key in _USUAL or key.startswith(_PLUMBING):
            continue
        if known is None or known.get(key, known) is not value:
            if news is None:
                news = {}
            news[key] = value
    return news


def _conversed(scope: Scope, metadata: dict[str, Any]) -> Scope:
    for name in _CONVERSATION:
        found = metadata.get(name)
        if type(found) is int:
            found = str(found)
        if type(found) is str and found:
            return scope.converse(found, None, None)
    return scope


def innermost_span() -> Span | None:
    """Return the span of the innermost run in this context, while it is open."""
    span: Any = get_context().get(RUN_KEY)
    return span if span is not None and not span.end_ns else None
