"""Chats whose usage somebody published, to measure estimates by. Texts are as published; so are the numbers.

Sources: [cookbook] OpenAI Cookbook, "How to count tokens with tiktoken", counts as told by the API; [reference] OpenAI
API reference, "Create chat completion", example responses; [apisix] recorded answer of the API in the tests of Apache
APISIX, `ai-proxy-response.json` (chatcmpl-9wiSIg5LYrrpxwsr2PubSQnbtod1P). The completion of the third one is a made-up
example of the reference, and the only one that no rule explains.
"""

from __future__ import annotations

from typing import Any, Final

_JARGON: Final = [
    {
        "role": "system",
        "content": "You are a helpful, pattern-following assistant that translates "
        "corporate jargon into plain English.",
    },
    {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
    {"role": "system", "name": "example_assistant", "content": "Things working well together will increase revenue."},
    {
        "role": "system",
        "name": "example_user",
        "content": "Let's circle back when we have more bandwidth to touch base on "
        "opportunities for increased leverage.",
    },
    {
        "role": "system",
        "name": "example_assistant",
        "content": "Let's talk later when we're less busy about how to do better.",
    },
    {
        "role": "user",
        "content": "This late pivot means we don't have time to boil the ocean for the client deliverable.",
    },
]
_HELLO: Final = [{"role": "system", "content": "You are a helpful assistant."}, {"role": "user", "content": "Hello!"}]

PUBLISHED: Final[list[tuple[str, str, list[dict[str, str]], int, str | None, int | None]]] = [
    # source, model, messages, prompt tokens, answer, completion tokens
    ("cookbook", "gpt-3.5-turbo", _JARGON, 129, None, None),
    ("cookbook", "gpt-4-0613", _JARGON, 129, None, None),
    ("cookbook", "gpt-4", _JARGON, 129, None, None),
    ("cookbook", "gpt-4o", _JARGON, 124, None, None),
    ("cookbook", "gpt-4o-mini", _JARGON, 124, None, None),
    ("reference", "gpt-3.5-turbo", [_HELLO[1]], 9, "\n\nHello there, how may I assist you today?", 12),
    ("reference", "gpt-4o", _HELLO, 19, None, None),
    ("reference", "gpt-3.5-turbo", [{"role": "user", "content": "Say this is a test!"}], 13, None, None),
    (
        "apisix",
        "gpt-4o-2024-05-13",
        [{"role": "system", "content": "You are a mathematician"}, {"role": "user", "content": "What is 1+1?"}],
        23,
        "1 + 1 = 2.",
        8,
    ),
]


def counts(estimate: Any) -> list[tuple[str, int, int | None]]:
    """Return what is published and what is estimated, count by count."""
    rows: list[tuple[str, int, int | None]] = []
    for source, model, messages, prompt, answer, completion in PUBLISHED:
        usage = estimate(model, messages, answer)
        rows.append((f"{source} {model} prompt", prompt, usage.input_tokens))
        if completion is not None:
            rows.append((f"{source} {model} completion", completion, usage.output_tokens))
    return rows
