"""Which conversation a call belongs to: what the user said last, `instrument_tags`, or the memory of a chat."""

from __future__ import annotations

from typing import Any, Final

from callspan.integrations.llama_index.families import Plan
from callspan.integrations.llama_index.request import fields_of
from callspan.integrations.llama_index.response import event_fields
from callspan.recording.otel import SCOPE_KEY, SPAN_KEY, Context, get_context
from callspan.recording.scope import EMPTY_SCOPE, Scope
from callspan.recording.snapshot import freeze

_CONVERSATION: Final = ("conversation_id", "session_id", "thread_id", "session.id")
_USER: Final = ("user_id", "user.id")
_LIBRARY: Final = "llamaindex."  # tags that workflows put there
_ANY_CHAT: Final = "chat_history"  # what memories call the conversation that nobody named


def context_for(
    plan: Plan, instance: Any, arguments: dict[str, Any], tags: Any, around: Context | None
) -> Context | None:
    """Return the context for a span: `around`, with a scope in it where tags or memory say something new."""
    word = plan.family.word
    is_talk = word in ("chat_engine", "workflow")
    if not tags and not is_talk:
        return around
    context = get_context() if around is None else around
    found: Any = context.get(SCOPE_KEY)
    scope: Scope = EMPTY_SCOPE if found is None else found
    new = _tagged(scope, tags, is_root=context.get(SPAN_KEY) is None) if tags else scope
    if is_talk and new.conversation_id is None:
        conversation = _of_memory(instance, arguments)
        new = scope if conversation is None else new.converse(conversation, None, None)
    return around if new is scope else Context({**context, SCOPE_KEY: new})


def _tagged(scope: Scope, tags: dict[str, Any], *, is_root: bool) -> Scope:
    conversation = next((tags[name] for name in _CONVERSATION if type(tags.get(name)) is str and tags[name]), None)
    user = next((tags[name] for name in _USER if type(tags.get(name)) is str), None)
    if conversation is not None and conversation != scope.conversation_id:
        scope = scope.converse(conversation, None, user)
    elif user is not None and user != scope.user_id:
        scope = scope.add(user, (), ())
    if is_root:
        known = (*_CONVERSATION, *_USER)
        rest = {name: tags[name] for name in tags if name not in known and not name.startswith(_LIBRARY)}
        if rest:
            scope = scope.add(None, (), (freeze([rest]),))
    return scope


def _of_memory(instance: Any, arguments: dict[str, Any]) -> str | None:
    """Return the name that a memory has for its conversation: of a chat engine, or given to an agent's run."""
    start = arguments.get("start_event")
    given = event_fields(start) if start is not None else arguments.get("kwargs") or {}
    memory = given.get("memory") or fields_of(instance).get("_memory")
    fields = fields_of(memory)
    for name in ("session_id", "chat_store_key"):
        if type(fields.get(name)) is str and fields[name] != _ANY_CHAT:
            return str(fields[name])
    return None
