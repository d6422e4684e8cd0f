"""What the examples' server says: no weights, no randomness, only words that it was given.

Asked a question, it returns the sentence of the prompt that shares the most words with it; asked for a vector, it
counts words. The same request always gets the same answer, so the examples and their tests can rely on it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]
Schema = dict[str, Any]

NO_ANSWER = "The text I was given does not say."

_TOKEN = re.compile(r"\s*(?:\w+|[^\w\s])")
_WORD = re.compile(r"[a-z0-9]+")
_ENDING = re.compile(r"(?<=\w{3})(?:ions?|ings?|ed|e?s|e)$")
_QUESTION_LINE = re.compile(r"^(?:question|query):\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_NOT_PROSE = re.compile(r"```.*?```|^[ \t]*[#|].*?$", re.DOTALL | re.MULTILINE)
_PARAGRAPH_END = re.compile(r"\n\s*\n|\n(?=\s*[-*] )")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_SMALL_WORDS = (
    "a an and are as at be but by can do does find for from get give has have how i if in into is it its many me much "
    "my no not of on or show so tell than that the their them then there these they this those to was we what when "
    "where which who why will with you your"
)
_IGNORED = frozenset(_SMALL_WORDS.split())


def tokens(text: str) -> list[str]:
    """Split a text into words and punctuation marks; joined again they give the text."""
    return _TOKEN.findall(text)


def stems(text: str) -> list[str]:
    """Return the words that carry meaning, in lower case and without their endings.

    >>> stems("The recorded conversations")
    ['record', 'conversat']
    """
    words = (word for word in _WORD.findall(text.lower()) if word not in _IGNORED)
    return [_ENDING.sub("", word) for word in words]


def embed(text: str, dimensions: int) -> list[float]:
    """Return a vector of length 1. Each word adds to one place of it, so texts that share words point the same way."""
    vector = [0.0] * dimensions
    for stem, count in Counter(stems(text)).items():
        number = int.from_bytes(hashlib.blake2b(stem.encode(), digest_size=8).digest(), "big")
        sign = 1 if number % 2 else -1
        vector[number // 2 % dimensions] += sign * (1 + math.log(count))
    if not any(vector):
        vector[0] = 1.0
    length = math.hypot(*vector)
    return [value / length for value in vector]


def answers(messages: list[Message], count: int) -> list[str]:
    """Return `count` answers to the last message, the best one first."""
    if messages[-1].get("role") == "tool":
        return [f"The tool answered: {text_of(messages[-1])}"] * count
    question, context = _question_and_context(messages)
    found = _best_sentences(question, context)[:count]
    return found + [NO_ANSWER] * (count - len(found))


def tools_that_fit(messages: list[Message], tools: list[Schema], choice: Any) -> list[Schema]:
    """Return the functions to call next: those that `choice` demands, else those whose words are in the question."""
    functions = [tool["function"] for tool in tools if tool.get("type") == "function"]
    if isinstance(choice, dict):
        return [function for function in functions if function["name"] == choice["function"]["name"]]
    if choice == "none" or messages[-1].get("role") == "tool":
        return []
    asked = set(stems(_question_and_context(messages)[0]))
    fitting = [function for function in functions if _fits(function, asked)]
    return fitting or (functions[:1] if choice == "required" else [])


def arguments_for(function: Schema, messages: list[Message]) -> Any:
    """Fill in the parameters of a function from the question."""
    question = _question_and_context(messages)[0]
    return fill(function.get("parameters") or {}, question, _subject(question))


def fill(schema: Schema, question: str, text: str) -> Any:
    """Make a value that fits a JSON schema: choices and numbers from `question`, every other string is `text`.

    >>> fill({"properties": {"city": {"enum": ["Rome", "Oslo"]}, "days": {"type": "integer"}}}, "3 days in Oslo", "")
    {'city': 'Oslo', 'days': 3}
    """
    if "enum" in schema:
        named = (value for value in schema["enum"] if str(value).lower() in question.lower())
        return next(named, schema["enum"][0])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if kind == "object":
        return {name: fill(part, question, text) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [fill(schema.get("items", {}), question, text)]
    if kind in ("integer", "number"):
        number = re.search(r"\d+", question)
        return int(number.group()) if number else 1
    return True if kind == "boolean" else text


def text_of(message: Message) -> str:
    """Return the text of a message, whose content is a string, a list of parts, or nothing."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part.get("type") == "text")


def _question_and_context(messages: list[Message]) -> tuple[str, str]:
    """Return what is asked (a line `Question: …`, else the last question, else everything) and all other text."""
    asking = next((message for message in reversed(messages) if message.get("role") == "user"), messages[-1])
    asked = text_of(asking)
    marked = _QUESTION_LINE.findall(asked)
    questions = [line for line in sentences(asked) if line.endswith("?")]
    question = (marked or questions or [asked])[-1]
    rest = asked.replace(question, "\n\n")
    return question, "\n\n".join(rest if message is asking else text_of(message) for message in messages)


def _best_sentences(question: str, context: str) -> list[str]:
    """Return the sentences that share words with the question, best first; a word that is rare counts for more."""
    candidates = {line: set(stems(line)) for line in sentences(context) if not line.endswith("?")}
    spread = Counter(stem for found in candidates.values() for stem in found)
    asked = set(stems(question))
    scores = {line: sum(1 / spread[stem] for stem in sorted(asked & found)) for line, found in candidates.items()}
    return sorted((line for line in scores if scores[line]), key=lambda line: -scores[line])


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a Markdown text, without its headings, tables and code."""
    for paragraph in _PARAGRAPH_END.split(_NOT_PROSE.sub("\n\n", text)):
        line = " ".join(paragraph.split()).removeprefix("- ").removeprefix("* ")
        yield from filter(None, _SENTENCE_END.split(line))


def _fits(function: Schema, asked: set[str]) -> bool:
    name = set(stems(function["name"].replace("_", " ")))
    described = name | set(stems(function.get("description") or ""))
    return bool(name) and (name <= asked or len(described & asked) >= 2)


def _subject(question: str) -> str:
    """Return what a question is about: its first quoted text or file name, else all of it."""
    found = re.search(r"[\"'`]([^\"'`]+)[\"'`]|\b([\w/-]+\.[a-z]+)\b", question)
    return next(filter(None, found.groups())) if found else question
