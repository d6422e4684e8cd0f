"""LangChain's events, one method each. They run on the caller's thread, in the middle of the run: a few microseconds.

The class that LangChain sees inherits from its `BaseCallbackHandler` too and is made when that is loaded; never from
its tracers, whose module loads a client for a service and takes a third of a second.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.integrations.langchain import endings, request
from callspan.integrations.langchain.inside import note_start
from callspan.integrations.langchain.objects import fields_of, messages_given, result_tree, snapshot_of, tree_of
from callspan.integrations.langchain.prompts import read_prompt
from callspan.integrations.langchain.response import documents_tree
from callspan.integrations.langchain.runs import ABSENT, Run, Runs
from callspan.integrations.langchain.stream import answer_so_far, note_event, note_piece
from callspan.recording.snapshot import freeze, freeze_own


class Handler:
    """What every run tells. Its methods never raise."""

    run_inline = True  # else asynchronous runs would tell it in another thread, and no context would reach them
    raise_error = False
    ignore_llm = ignore_chat_model = ignore_chain = ignore_agent = ignore_retriever = False
    ignore_retry = ignore_custom_event = True

    def __init__(self, runs: Runs, look: Callable[[], None]) -> None:
        """Keep open runs in `runs`; call `look` whenever a root run starts."""
        self.runs = runs
        self.is_on = True
        self._look = look

    def __deepcopy__(self, _: Any) -> Handler:
        return self  # users copy configurations; there is one handler

    def __copy__(self) -> Handler:
        return self

    def __reduce__(self) -> Any:
        """Let configurations be pickled: in their place comes LangChain's own handler that does nothing.

        Where the other process is watched too, its own handler joins by itself.
        """
        return type(self).__bases__[-1], ()

    # -- chains, prompts, parsers, graphs and agents -------------------------------------------------------------------

    def on_chain_start(
        self,
        serialized: Any,
        inputs: Any,
        *,
        run_id: Any,
        parent_run_id: Any = None,
        tags: Any = None,
        metadata: Any = None,
        run_type: Any = None,
        name: Any = None,
        **_: Any,
    ) -> None:
        """Open the span of a chain, or of one of the many things that LangChain calls one."""
        if not self.is_on or switch.recorder is None:
            return
        try:
            if type(name) is not str or not name:
                name = request.name_of(serialized, None, "chain")
            parent = None
            if parent_run_id is None:
                self._look()
            else:
                parent = self.runs.find(parent_run_id)
            site = request.chain_site(name, run_type, tags, metadata, parent)
            if site is request.HIDDEN:
                self.runs.hide(run_id, parent)
                return
            run = self.runs.open(site, run_id, parent, tags, metadata)
            if run is None:
                return
            run.span.name = name
            if site is request.PROMPT:
                run.span.reader = partial(read_prompt, serialized, metadata)
            elif site is request.NODE and metadata:
                run.span.attributes = request.node_attributes(metadata)
                if type(parent) is Run and parent.span.component in (None, "step"):
                    parent.span.component = "graph"
            is_deferred = type(inputs) is dict and request.is_deferred(inputs)
            self.runs.start(run, None if is_deferred else snapshot_of(inputs))
        except Exception as error:  # noqa: BLE001 - our fault must not become the user's
            guard.note("opening a chain of langchain", error)

    def on_chain_end(
        self,
        outputs: Any,
        *,
        run_id: Any,
        parent_run_id: Any = None,  # noqa: ARG002 - what always comes is named, or it goes into a dictionary
        tags: Any = None,  # noqa: ARG002
        inputs: Any = ABSENT,
        **_: Any,
    ) -> None:
        """End it; a stream tells its inputs only now."""
        try:
            run = self.runs.take(getattr(run_id, "int", run_id))
            if run is not None:
                if inputs is not ABSENT:
                    run.tell_input(inputs)
                endings.finish(run, snapshot_of(outputs), is_stream=inputs is not ABSENT)
        except Exception as error:  # noqa: BLE001
            guard.note("ending a chain of langchain", error)

    def on_chain_error(self, error: BaseException, *, run_id: Any, inputs: Any = ABSENT, **_: Any) -> None:
        """End it by what it raised."""
        try:
            run = self.runs.take(getattr(run_id, "int", run_id))
            if run is not None:
                if inputs is not ABSENT:
                    run.tell_input(inputs)
                endings.fail(self.runs, run, error)
        except Exception as fault:  # noqa: BLE001
            guard.note("ending a chain of langchain", fault)

    def on_agent_action(self, _: Any, *, run_id: Any, **__: Any) -> None:
        """Learn that a chain is an agent: those of the old kind say so when they act."""
        run = self.runs.find(run_id)
        if type(run) is Run:
            run.span.kind, run.span.reader = "agent", request.read_agent

    on_agent_finish = on_agent_action

    # -- models --------------------------------------------------------------------------------------------------------

    def on_chat_model_start(
        self,
        serialized: Any,
        messages: Any,
        *,
        run_id: Any,
        parent_run_id: Any = None,
        tags: Any = None,
        metadata: Any = None,
        invocation_params: Any = None,
        name: Any = None,
        batch_size: Any = None,
        options: Any = None,  # noqa: ARG002 - as in `on_chain_end`
        **_: Any,
    ) -> None:
        """Open the span of a chat model's call."""
        if not self.is_on or switch.recorder is None:
            return
        try:
            run = self.runs.open(request.CHAT, run_id, self.runs.find(parent_run_id), tags, metadata)
            if run is not None:
                name = request.model_run_name(request.CHAT, serialized, name, invocation_params, metadata)
                self._start_model(run, name, messages_given(messages), invocation_params, batch_size)
        except Exception as error:  # noqa: BLE001
            guard.note("opening a model of langchain", error)

    def on_llm_start(self, serialized: Any, prompts: Any, *, run_id: Any, **told: Any) -> None:
        """Open the span of the call of a model for texts."""
        if not self.is_on or switch.recorder is None:
            return
        try:
            metadata, params = told.get("metadata"), told.get("invocation_params")
            parent = self.runs.find(told.get("parent_run_id"))
            run = self.runs.open(request.TEXT, run_id, parent, told.get("tags"), metadata)
            if run is not None:
                name = request.model_run_name(request.TEXT, serialized, told.get("name"), params, metadata)
                self._start_model(run, name, tree_of(prompts), params, told.get("batch_size"))
        except Exception as error:  # noqa: BLE001
            guard.note("opening a model of langchain", error)

    def _start_model(self, run: Run, name: str, given: Any, params: Any, batch_size: Any) -> None:
        run.span.name = name
        self.runs.start(run, request.model_input(given, params, run.metadata))
        if batch_size is None or batch_size == 1:  # else each is entered when its turn has come
            run.enter_here()

    def on_llm_new_token(self, token: Any = None, *, run_id: Any, **__: Any) -> None:
        """Take notice of a piece of an answer."""
        run = self.runs.find(run_id)
        if type(run) is Run:
            try:
                note_piece(run, token)
            except Exception as error:  # noqa: BLE001
                guard.note("noting a piece of an answer of langchain", error)

    def on_stream_event(self, event: Any, *, run_id: Any, **_: Any) -> None:
        """Take notice of what the third version of streams tells; not all models tell of their pieces as well."""
        run = self.runs.find(run_id)
        if type(run) is Run:
            try:
                note_event(run, event)
            except Exception as error:  # noqa: BLE001
                guard.note("noting an event of an answer of langchain", error)

    def on_llm_end(
        self,
        response: Any,
        *,
        run_id: Any,
        parent_run_id: Any = None,  # noqa: ARG002 - as in `on_chain_end`
        tags: Any = None,  # noqa: ARG002
        **_: Any,
    ) -> None:
        """End the call of a model."""
        try:
            run = self.runs.take(getattr(run_id, "int", run_id))
            if run is not None:
                endings.finish(run, freeze_own(result_tree(fields_of(response))))
        except Exception as error:  # noqa: BLE001
            guard.note("ending a model of langchain", error)

    def on_llm_error(self, error: BaseException, *, run_id: Any, response: Any = None, **_: Any) -> None:
        """End it by what it raised; `response` is what there was of an answer."""
        try:
            run = self.runs.take(getattr(run_id, "int", run_id))
            if run is not None:
                tree = result_tree(fields_of(response))
                is_told = bool(tree.get("content") or tree.get("tool_calls"))
                endings.fail(self.runs, run, error, tree if is_told else answer_so_far(run))
        except Exception as fault:  # noqa: BLE001
            guard.note("ending a model of langchain", fault)

    # -- tools and retrievers ------------------------------------------------------------------------------------------

    def on_tool_start(self, serialized: Any, input_str: Any, *, run_id: Any, **told: Any) -> None:
        """Open the span of a tool's call."""
        if not self.is_on or switch.recorder is None:
            return
        try:
            metadata, inputs = told.get("metadata"), told.get("inputs")
            parent = self.runs.find(told.get("parent_run_id"))
            run = self.runs.open(request.TOOL, run_id, parent, told.get("tags"), metadata)
            if run is None:
                return
            run.span.reader = request.ToolReader(serialized, told.get("tool_call_id"))
            run.span.name = request.name_of(serialized, told.get("name"), "tool")
            self.runs.start(run, snapshot_of(input_str if inputs is None else inputs))
            note_start(run)
        except Exception as error:  # noqa: BLE001
            guard.note("opening a tool of langchain", error)

    def on_tool_end(self, output: Any, *, run_id: Any, **_: Any) -> None:
        """End it."""
        self.on_chain_end(output, run_id=run_id)

    def on_tool_error(self, error: BaseException, *, run_id: Any, **_: Any) -> None:
        """End it by what it raised."""
        self.on_chain_error(error, run_id=run_id)

    def on_retriever_start(self, serialized: Any, query: Any, *, run_id: Any, **told: Any) -> None:
        """Open the span of a retriever."""
        if not self.is_on or switch.recorder is None:
            return
        try:
            metadata, parent_id = told.get("metadata"), told.get("parent_run_id")
            if parent_id is None:
                self._look()
            run = self.runs.open(request.RETRIEVER, run_id, self.runs.find(parent_id), told.get("tags"), metadata)
            if run is None:
                return
            run.span.reader = request.RetrieverReader(metadata)
            run.span.name = request.name_of(serialized, told.get("name"), "retriever")
            self.runs.start(run, snapshot_of(query))
            note_start(run)
            run.enter_here()
        except Exception as error:  # noqa: BLE001
            guard.note("opening a retriever of langchain", error)

    def on_retriever_end(self, documents: Any, *, run_id: Any, **_: Any) -> None:
        """End it."""
        try:
            run = self.runs.take(getattr(run_id, "int", run_id))
            if run is None:
                return
            reader: Any = run.span.reader
            endings.finish(run, freeze([documents_tree(documents, reader.scores)]))
        except Exception as error:  # noqa: BLE001
            guard.note("ending a retriever of langchain", error)

    def on_retriever_error(self, error: BaseException, *, run_id: Any, **_: Any) -> None:
        """End it by what it raised."""
        self.on_chain_error(error, run_id=run_id)
