"""The way of one span of the dispatcher: entered, left or dropped, and what the events say in between.

LlamaIndex swallows whatever a handler raises, so all of it goes through our own guard. The parent is the span that the
dispatcher names; where our own context knows of one in between, that one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from callspan.capture.call import Call
from callspan.capture.generators import lazy_bodies
from callspan.capture.switch import switch
from callspan.guard import guard
from callspan.integrations.llama_index import conversations, stream
from callspan.integrations.llama_index.events import EVENTS, reranker_starts
from callspan.integrations.llama_index.families import MODEL_CALLS, PREDICTIONS, Plan, detail_plan, plan_of, step_plan
from callspan.integrations.llama_index.frames import Frame, Frames
from callspan.integrations.llama_index.reading import AgentReading, ModelReading, ToolReading, provider_of
from callspan.integrations.llama_index.request import fields_of, model_call, parameters_of, prompt_call
from callspan.integrations.llama_index.response import answer_tree
from callspan.model.span import Span
from callspan.recording.otel import SPAN_KEY, Context, below, get_context, put_back, set_context

UUID_LENGTH: Final = 36  # characters at the end of a dispatcher's ID, after a hyphen

Arguments = dict[str, Any]


class Tracker:
    """Turns what the dispatcher tells into spans. Its four methods never raise."""

    def __init__(self) -> None:
        """Know of no span yet."""
        self.frames = Frames()
        self.keeps_everything = False
        self._entered: dict[str, tuple[Span, Context, Context]] = {}

    # -- what the dispatcher calls -------------------------------------------------------------------------------------

    def enter(self, id_: str, arguments: Arguments, instance: Any, parent_id: str | None, tags: Any) -> None:
        """Open a span, or note below which one this one would stand. `arguments` are by name; they are only read."""
        if switch.open_block is None:
            return
        try:
            self._enter(id_, arguments, instance, parent_id, tags)
        except Exception as error:  # noqa: BLE001 - our fault must not become the user's
            guard.note("entering a span of llama_index", error)

    def exit(self, id_: str, result: Any) -> None:
        """Close a span with what the method returned."""
        frame = self.frames.pop(id_)
        if frame is None:
            return
        try:
            self._step_out(id_)
            if frame.id == id_:
                self._settle(frame, result)
            if frame.id != id_ or frame.fed is not None:
                self._settle_inside(id_, frame.fed or frame, result)
        except Exception as error:  # noqa: BLE001
            guard.note("leaving a span of llama_index", error)

    def drop(self, id_: str, error: BaseException | None) -> None:
        """Close a span with what the method raised."""
        frame = self.frames.pop(id_)
        if frame is None:
            return
        try:
            self._step_out(id_)
            error = error or RuntimeError("dropped")
            if frame.id == id_ and frame.watch is None:
                frame.call.fail(error)
            elif frame.id == id_ and frame.watch is not None:
                frame.watch.fail(error)
            told = frame.fed or frame
            if id_ == told.worker and told.id != id_ and told.word != "llm":
                stream.end_chat(told, error)
        except Exception as fault:  # noqa: BLE001
            guard.note("dropping a span of llama_index", fault)

    def event(self, event: Any) -> None:
        """Take what an event says of a span that is open."""
        take = EVENTS.get(type(event).__name__)
        if take is None:
            return
        try:
            frame = self.frames.get(event.span_id)
            if take is reranker_starts:  # below a method that has no span of LlamaIndex's own
                frame = self.frames.holding(get_context().get(SPAN_KEY))
            if frame is not None:
                take(frame.fed or frame, event)
        except Exception as error:  # noqa: BLE001
            guard.note("reading an event of llama_index", error)

    # -- entering ------------------------------------------------------------------------------------------------------

    def _enter(self, id_: str, arguments: Arguments, instance: Any, parent_id: str | None, tags: Any) -> None:
        parent, around = self._place(parent_id)
        plan = self._plan(id_, instance, parent, parent_id)
        fed = None if parent is None else self._fed(id_, plan, parent, instance, arguments)
        if plan.site is not None and fed is None:
            self._open(id_, plan, parent, around, (instance, arguments, tags))
        elif self.keeps_everything:
            frame = self._open(id_, detail_plan(plan.name), parent, around, (instance, arguments, tags))
            if frame is not None and fed is not None:
                frame.fed, frame.call_id = fed, fed.call_id
                frame.call.leave()  # a provider's call belongs to the span that waits for it
        elif parent is not None:
            self._pass_over(id_, fed or parent, around)

    def _fed(self, id_: str, plan: Plan, parent: Frame, instance: Any, arguments: Arguments) -> Frame | None:
        """Return the frame that a call tells something of instead of having a span of its own, if that is so."""
        around = parent.fed or parent
        if around.instance is not None and around.instance is instance:
            return around if self._is_inside(id_, plan, around, arguments) else None
        if plan.family.word == "writer":
            chat = parent.above("chat_engine", "agent")
            if chat is not None:
                chat.worker = id_
            return chat
        return _tool_step(parent, arguments) if plan.method == "call_tool" else None

    def _place(self, parent_id: str | None) -> tuple[Frame | None, Context | None]:
        """Return the frame above, and a context in which its span is current where that is not so here."""
        parent = self.frames.get(parent_id)
        if parent is not None and parent.task is not None and parent.task is _task():
            parent = None  # LlamaIndex leaves a workflow current where it was started
        owner = lazy_bodies.running() if lazy_bodies else None
        is_lazy = type(owner) is Frame and (parent is None or not parent.is_below(owner))
        if is_lazy:
            parent = owner
        if parent is None:
            return None, None
        current = get_context().get(SPAN_KEY)
        if current is parent.span or not (is_lazy or current is None or current is parent.call.parent):
            return parent, None
        return parent, below(parent.span)

    def _plan(self, id_: str, instance: Any, parent: Frame | None, parent_id: str | None) -> Plan:
        qualified = id_[: -UUID_LENGTH - 1]
        is_step = parent is not None and parent.id == parent_id and parent.word == "workflow"
        if is_step and parent is not None and (instance is None or instance is parent.instance):
            return step_plan(qualified, type(parent.instance))
        kind = instance if isinstance(instance, type) else type(instance)
        return plan_of(None if instance is None else kind, qualified)

    def _is_inside(self, id_: str, plan: Plan, parent: Frame, arguments: Arguments) -> bool:
        """Return whether a call is part of the one around it, of the same object: `achat` may call `chat`."""
        if plan.family is not parent.plan.family:
            return False
        if plan.family.word != "llm" or plan.method not in MODEL_CALLS:
            return True
        if parent.worker is not None:
            running = self.frames.get(parent.worker)
            return running is not None and parent in (running, running.fed)  # else it is another call, after the first
        parent.worker = id_
        _take_model_call(parent, plan, arguments)
        return True

    def _pass_over(self, id_: str, frame: Frame, around: Context | None) -> None:
        self.frames.keep(id_, frame)
        if around is not None:
            self._entered[id_] = frame.span, around, get_context()
            set_context(around)

    def _step_out(self, id_: str) -> None:
        entered = self._entered.pop(id_, None)
        if entered is not None:
            span, own, outer = entered
            if get_context() is own:
                set_context(outer)
            else:
                put_back(span, outer)

    def _open(
        self, id_: str, plan: Plan, parent: Frame | None, around: Context | None, given: tuple[Any, Arguments, Any]
    ) -> Frame | None:
        instance, arguments, tags = given
        open_block = switch.open_block
        if open_block is None:
            return None
        around = conversations.context_for(plan, instance, arguments, tags, around)
        call: Call | None = open_block(plan.site, plan.family.take(instance, arguments), around)
        if call is None:
            if parent is not None:
                self._pass_over(id_, parent, None)
            return None
        frame = Frame(id_, call, parent, plan, instance)
        if type(call.span) is Span:
            _describe(frame, arguments)
        self.frames.keep(id_, frame)
        if plan.family.word == "workflow":
            call.leave()  # its steps find it by its ID; where it was started, it is not current any more
            frame.task = None if "start_event" in arguments else _task()
        return frame

    # -- leaving -------------------------------------------------------------------------------------------------------

    def _settle(self, frame: Frame, result: Any) -> None:
        if stream.is_streamed(result) and stream.keep_open(frame, result, self._forget):
            self.frames.keep(frame.id, frame)  # for the events to come, and for what is opened below
            return
        given = frame.plan.family.give(result)
        frame.call.finish(given if frame.answer is None else {**given, **frame.answer})
        if frame.is_streaming:
            self._forget(frame)

    def _settle_inside(self, id_: str, frame: Frame, result: Any) -> None:
        """Take what the call inside returned: the answer that its caller makes a text or an object of."""
        if id_ != frame.worker:
            if id_ == frame.source and stream.is_streamed(result):
                self.frames.keep(id_, frame)
        elif frame.word != "llm":
            stream.end_chat(frame, None)
        elif stream.is_streamed(result):
            frame.is_streaming = True
            self.frames.keep(id_, frame)
        else:
            frame.answer = answer_tree(result)

    def _forget(self, frame: Frame) -> None:
        """Forget a frame whose span has ended."""
        for id_ in (frame.id, frame.worker, frame.source):
            if id_ is not None and self.frames.get(id_) is frame:
                self.frames.pop(id_)


def _task() -> Any:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _tool_step(parent: Frame, arguments: Arguments) -> Frame:
    """Return a frame without a span of its own, which tells the tool below which call of the model it answers."""
    step = Frame("", parent.call, parent, parent.plan, None)
    step.call_id = fields_of(arguments.get("ev")).get("tool_id")
    return step


def _describe(frame: Frame, arguments: Arguments) -> None:
    """Note what only the object itself knows: the model's settings, the prompt, the name of a tool or an agent."""
    word, span, instance = frame.word, frame.span, frame.instance
    if word == "llm":
        frame.reading = ModelReading(provider_of(type(instance).__module__), parameters_of(instance))
        span.reader = frame.reading
        if frame.plan.method in PREDICTIONS:
            frame.reading.prompt = _frozen(span, prompt_call(arguments))
        else:
            frame.worker = frame.id
            _take_model_call(frame, frame.plan, arguments)
    elif word == "tool":
        stored = fields_of(instance)
        metadata = fields_of(stored.get("_metadata"))
        name = metadata.get("name")
        if type(name) is str:
            span.name = name
        call_id = frame.parent.call_id if frame.parent is not None else None
        function = stored.get("_real_fn") or stored.get("_fn")
        span.reader = ToolReading(span.name, metadata.get("description"), function, call_id)
    elif word == "agent_step":
        name = fields_of(arguments.get("ev")).get("current_agent_name")
        if type(name) is str:
            span.name = name
        span.reader = AgentReading(span.name)
    elif span.kind == "agent":
        name = fields_of(instance).get("name")
        span.reader = AgentReading(name if type(name) is str else type(instance).__name__)


def _take_model_call(frame: Frame, plan: Plan, arguments: Arguments) -> None:
    if frame.reading is not None and type(frame.span) is Span:
        frame.reading.method = plan.method
        frame.span.set_input(model_call(arguments))


def _frozen(span: Span, value: Mapping[str, Any] | None) -> Any:
    recorder = switch.recorder
    return None if value is None or recorder is None else recorder.freeze(span, "input", value)
