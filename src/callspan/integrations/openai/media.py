"""Images, speech and transcripts, and moderation: what is asked and what comes back. In the worker."""

from __future__ import annotations

from typing import Any, Final

from callspan.integrations.openai.request import leave, take_parameters
from callspan.integrations.openai.response import Tree, read_head
from callspan.model.facts import MISSING, Facts
from callspan.model.messages import Part, text_message

_PARAMETERS: Final[dict[str, str]] = {
    "model": "model",
    "n": "choice_count",
    "stream": "stream",
    "temperature": "temperature",
}


def read_image_request(facts: Facts, body: Tree) -> None:
    """Read a request for images."""
    _read_text(facts, body, "prompt", "image")


def read_speech_request(facts: Facts, body: Tree) -> None:
    """Read a request for speech."""
    _read_text(facts, body, "input", "speech")


def read_audio_request(facts: Facts, body: Tree) -> None:
    """Read a request for a transcript or a translation; the recording itself is not kept."""
    _read_text(facts, body, "prompt", "text")


def _read_text(facts: Facts, body: Tree, name: str, output_type: str) -> None:
    rest = dict(body)
    if isinstance(rest.get(name), str):
        facts.input_messages = [text_message("user", rest.pop(name))]
    facts.request["output_type"] = output_type
    take_parameters(facts, rest, _PARAMETERS)
    leave(facts, rest, name)


def read_images(facts: Facts, answer: Tree) -> None:
    """Read the images that came, by their URLs or as they are."""
    read_head(facts, answer)
    rows = answer.get("data")
    kind = answer.get("output_format")
    mime = f"image/{kind if isinstance(kind, str) else 'png'}"
    parts = (
        [part for row in rows if isinstance(row, dict) for part in _image(row, mime)] if isinstance(rows, list) else []
    )
    if parts:
        facts.output_messages = [{"role": "assistant", "parts": parts}]
        facts.output = MISSING


def _image(row: Tree, mime: str) -> list[Part]:
    parts: list[Part] = []
    if isinstance(row.get("revised_prompt"), str):
        parts.append({"type": "text", "content": row["revised_prompt"]})
    if isinstance(row.get("b64_json"), str):
        parts.append({"type": "blob", "modality": "image", "mime_type": mime, "content": row["b64_json"]})
    elif isinstance(row.get("url"), str):
        parts.append({"type": "uri", "modality": "image", "uri": row["url"]})
    return parts


def read_speech(facts: Facts, answer: Tree) -> None:
    """Leave speech as what it is: its format and size; read the counts where they are told."""
    read_head(facts, answer)


def read_transcript(facts: Facts, answer: Tree) -> None:
    """Read the text of a transcript; usage may be told in seconds instead of tokens."""
    read_head(facts, answer)
    if isinstance(answer.get("text"), str):
        facts.output_messages = [text_message("assistant", answer["text"])]
        facts.output = MISSING
    usage = answer.get("usage")
    seconds = usage.get("seconds") if isinstance(usage, dict) else answer.get("duration")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        facts.attributes["callspan.usage.audio_seconds"] = seconds


def read_moderation_request(facts: Facts, body: Tree) -> None:
    """Read what is to be judged: it stays the input of a guardrail."""
    rest = dict(body)
    take_parameters(facts, rest, {"model": "model"})
    leave(facts, rest, "input")


def read_moderation(facts: Facts, answer: Tree) -> None:
    """Read the verdicts; they stay the output of a guardrail."""
    read_head(facts, answer)
    if isinstance(answer.get("results"), list):
        facts.output = answer["results"]


def read_decision_request(facts: Facts, body: Tree) -> None:
    """Read a request for decisions: what they are about and the questions are the content, not parameters."""
    rest = dict(body)
    rest["input"] = {name: rest.pop(name) for name in ("input", "questions") if name in rest}
    take_parameters(facts, rest, _PARAMETERS)
    leave(facts, rest, "input")


def read_plain(facts: Facts, answer: Tree) -> None:
    """Read the head of any answer; all of it stays the output."""
    read_head(facts, answer)


def read_other_request(facts: Facts, body: Any) -> None:
    """Leave a request that asks no model as it is."""
