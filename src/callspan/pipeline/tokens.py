"""Estimates token counts where a provider reports none: only when asked to, only with tables that are on the disk.

Runs in the worker, before the gate, since a text that is cut or replaced has another length. tiktoken would fetch
missing tables without a timeout and while it holds its lock, so its loader is never called: its descriptions of the
encodings are run with a loader of ours, which reads a file and checks its digest.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any, Final

from callspan.errors import CallspanError, ConfigurationError
from callspan.forks import forks
from callspan.guard import guard
from callspan.model.facts import Facts
from callspan.model.messages import Message
from callspan.model.span import Span
from callspan.model.usage import Usage

MOST_CHARACTERS: Final = 1_000_000  # of one span; more than that is not counted
_PER_MESSAGE: Final = 3
_PER_NAME: Final = 1
_PER_ANSWER: Final = 3
_PER_CALL: Final = 3
_PER_FUNCTION: Final = {"o200k_base": 7, "cl100k_base": 10}
_PER_FUNCTIONS: Final = 12
_PER_PROPERTY: Final = 3
_KINDS: Final = ("llm", "embedding")

Count = Callable[[str], int]


class NotOnDiskError(Exception):
    """The table of an encoding is not there."""


class TokenCounter:
    """Counts tokens as OpenAI's models do. Encodings are loaded once, and one that cannot be is not tried again."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._counts: dict[str, tuple[str, Count] | None] = {}

    def estimate(self, span: Span) -> None:
        """Fill the usage of a span that has none, as far as its texts tell; what is estimated says so."""
        facts = span.facts
        assert facts is not None
        if facts.usage is not None or span.usage_below or span.kind not in _KINDS:
            return
        model = facts.response.get("model") or facts.request.get("model")
        found = self._for_model(model) if isinstance(model, str) else None
        if found is None or span.size > MOST_CHARACTERS:
            return
        name, count = found
        usage = Usage(source="estimated", tokenizer=name)
        if span.kind == "embedding":
            usage.input_tokens = sum(count(one.get("text", "")) for one in facts.embeddings or ()) or None
        else:
            usage.input_tokens = _prompt(facts, name, count)
            usage.output_tokens = _answer(facts, count)
        if usage.input_tokens is not None or usage.output_tokens is not None:
            facts.usage = usage

    def _for_model(self, model: str) -> tuple[str, Count] | None:
        if model not in self._counts:
            if len(self._counts) >= 1024:
                self._counts.clear()
            self._counts[model] = _load(model)
        return self._counts[model]


def _prompt(facts: Facts, encoding: str, count: Count) -> int | None:
    messages = facts.input_messages
    if not messages:
        return None
    total = sum(_message(message, count) for message in messages) + _PER_ANSWER
    if facts.system_instructions:
        total += _PER_MESSAGE + count("system") + sum(map(count, _texts(facts.system_instructions)))
    if facts.tool_definitions:
        total += _tools(facts.tool_definitions, encoding, count)
    return total


def _answer(facts: Facts, count: Count) -> int | None:
    """Count what came back, as far as it came: of a stream that was left, the part that was received."""
    if not facts.output_messages:
        return None
    return sum(sum(map(count, _texts(message["parts"]))) for message in facts.output_messages)


def _message(message: Message, count: Count) -> int:
    total = _PER_MESSAGE + count(message["role"]) + sum(map(count, _texts(message["parts"])))
    return total + (_PER_NAME + count(message["name"]) if "name" in message else 0)


def _texts(parts: Iterable[Any]) -> Iterator[str]:
    for part in parts:
        if part.get("type") == "tool_call":
            yield str(part.get("name"))
            yield _json(part.get("arguments"))
        elif part.get("type") == "tool_call_response":
            yield _json(part.get("response"))
        elif part.get("type") in ("text", "reasoning", "refusal"):
            yield str(part.get("content"))


def _json(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def _tools(tools: Iterable[dict[str, Any]], encoding: str, count: Count) -> int:
    """Count definitions of functions, which the models see as a program text of which the form is not published."""
    total = _PER_FUNCTIONS
    for tool in tools:
        total += _PER_FUNCTION.get(encoding, 7)
        total += count(f"{tool.get('name', '')}:{str(tool.get('description') or '').removesuffix('.')}")
        parameters = tool.get("parameters")
        properties = parameters.get("properties") if isinstance(parameters, dict) else None
        if isinstance(properties, dict) and properties:
            total += _PER_PROPERTY
            for name, schema in properties.items():
                described = schema if isinstance(schema, dict) else {}
                told = str(described.get("description") or "").removesuffix(".")
                total += _PER_PROPERTY + count(f"{name}:{described.get('type', '')}:{told}")
                choices = described.get("enum")
                if isinstance(choices, list) and choices:
                    total += sum(_PER_PROPERTY + count(str(choice)) for choice in choices) - _PER_PROPERTY
    return total


# -- tables ------------------------------------------------------------------------------------------------------------


def _load(model: str) -> tuple[str, Count] | None:
    """Return the name and the counter of a model's encoding; None for a model or a table that is not known here."""
    try:
        with forks.kept_off():
            import tiktoken  # noqa: PLC0415 - in the worker, and only where it was asked for
            from tiktoken.model import encoding_name_for_model  # noqa: PLC0415

        name = encoding_name_for_model(model)
        encoding = tiktoken.Encoding(**_describe(name))
    except KeyError:
        return None
    except ImportError:
        guard.warn("tiktoken", "tokens cannot be estimated: tiktoken is not installed; pip install callspan[tiktoken]")
        return None
    except NotOnDiskError as missing:
        guard.warn(f"tiktoken {missing}", f"tokens of {missing} are not estimated: no table; see preload_tokenizer()")
        return None
    except Exception as error:  # noqa: BLE001 - another version of tiktoken
        guard.note("loading a tokenizer", error)
        return None
    return name, lambda text: len(encoding.encode_ordinary(text))


def _describe(name: str) -> dict[str, Any]:
    """Run tiktoken's description of an encoding with a loader that reads from the disk alone."""
    from tiktoken_ext import openai_public  # noqa: PLC0415

    around: dict[str, Any] = {**vars(openai_public)}
    for key, value in vars(openai_public).items():
        if isinstance(value, FunctionType) and value.__module__ == openai_public.__name__:
            around[key] = FunctionType(value.__code__, around, key, value.__defaults__)

    def from_disk(address: str, expected_hash: str | None = None) -> dict[bytes, int]:
        return _read(name, address, expected_hash)

    def missing(*_: Any, **__: Any) -> dict[bytes, int]:
        raise NotOnDiskError(name)

    around.update(load_tiktoken_bpe=from_disk, data_gym_to_mergeable_bpe_ranks=missing)
    described: dict[str, Any] = around[name]()
    return described


def _read(name: str, address: str, expected_hash: str | None) -> dict[bytes, int]:
    file_name = hashlib.sha1(address.encode()).hexdigest()  # noqa: S324 - tiktoken's name for the file
    for folder in _folders():
        try:
            data = (folder / file_name).read_bytes()
        except OSError:
            continue
        if expected_hash is None or hashlib.sha256(data).hexdigest() == expected_hash:
            pairs = (line.split() for line in data.splitlines() if line)
            return {base64.b64decode(token): int(rank) for token, rank in pairs}
    raise NotOnDiskError(name)


def _folders() -> Iterator[Path]:
    """Name where tables may be: tiktoken's own cache, and what LlamaIndex brings along."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if os.environ.get(variable):
            yield Path(os.environ[variable])
    yield Path(tempfile.gettempdir()) / "data-gym-cache"
    found = find_spec("llama_index")  # a namespace: nothing of it is imported
    for place in (found.submodule_search_locations or ()) if found is not None else ():
        yield Path(place) / "core" / "_static" / "tiktoken_cache"


def preload_tokenizer(model: str = "gpt-4o") -> None:
    """Fetch the table of a model's tokenizer into tiktoken's cache, over the network if it is not there.

    For programs that estimate tokens (`configure(estimate_tokens=True)`) and may use the network when they start;
    callspan never does by itself. Raises `ConfigurationError` for a model that tiktoken does not know or if it is not
    installed, `CallspanError` if the table cannot be fetched.
    """
    try:
        import tiktoken  # noqa: PLC0415
        from tiktoken.model import encoding_name_for_model  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError("preload_tokenizer", model, "install callspan[tiktoken] first") from None
    try:
        name = encoding_name_for_model(model)
    except (KeyError, AttributeError):
        raise ConfigurationError("model", model, "name a model that tiktoken knows, such as gpt-4o") from None
    try:
        tiktoken.get_encoding(name)
    except Exception as error:
        message = f"the table of {name} could not be fetched: {type(error).__name__}"
        raise CallspanError(message) from error
