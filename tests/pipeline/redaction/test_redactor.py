from __future__ import annotations

from typing import Any

import pytest

from callspan.guard import guard
from callspan.model.facts import PromptUse, ToolFacts
from callspan.model.resource import Resource
from callspan.model.span import Event, Link, Span
from callspan.pipeline.redaction import secret_names, texts
from callspan.pipeline.redaction.redactor import REDACTED, Redactor, is_secret_name, redact, redact_resource
from callspan.policy import Redaction
from spans import FIXED, finished


def cleaned(tree: Any) -> tuple[Any, int]:
    span = finished(input=tree)
    redact(span)
    assert span.facts is not None
    return span.facts.input, span.facts.redacted_count


@pytest.mark.parametrize(
    "name",
    """
    api_key apiKey APIKey api-key X-Api-Key x_goog_api_key OPENAI_API_KEY openaiApiKey apikeys azure.api.key
    Authorization Proxy-Authorization http.request.header.authorization Cookie Set-Cookie http.request.header.cookie
    password Password DB_PASSWORD userPassword passwd pwd passphrase secret client_secret clientSecret jwt_secret
    SECRET_KEY DJANGO_SECRET_KEY AWSSecretAccessKey aws_secret_access_key AWS_ACCESS_KEY_ID access_key private_key
    privateKey access_token accessToken refresh_token id_token auth_token authToken session_token github_api_token
    bearer_token csrf_token credentials google_credentials credential connection_string
    Ocp-Apim-Subscription-Key X-Amz-Security-Token
    """.split(),  # noqa: SIM905 - a list of words, not of quotation marks
)
def test_names_of_secrets(name):
    assert is_secret_name(name)
    assert cleaned({name: "hush"}) == ({name: REDACTED}, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tokens", 12),
        ("tokens", "twelve of them"),
        ("max_tokens", 256),
        ("total_tokens", 1_000_000),
        ("token", "hello"),
        ("token", "two words of a sentence"),
        ("eos_token", "<|endoftext|>"),
        ("author", "Jane Austen"),
        ("authority", "city"),
        ("session_notes", "we talked about socks"),
        ("session notes", "we talked about socks"),
        ("session_id", "s-1"),
        ("key", "value"),
        ("keys", ["a"]),
        ("keyboard", "qwerty"),
        ("monkey", "see"),
        ("primary_key", 7),
        ("secretary", "Ms. Jones"),
        ("passenger", "Mr. Fogg"),
        ("compass", "north"),
        ("cookie_recipe", "flour"),
        ("image", "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"),
        ("secret", True),
        ("password", None),
        ("password", ""),
        ("credentials", {}),
    ],
)
def test_what_is_no_secret(name, value):
    assert cleaned({name: value}) == ({name: value}, 0)


def test_a_token_is_a_secret_when_it_is_long_and_in_one_piece():
    long = "hf_AbCdEfGhIjKlMnOp"
    assert cleaned({"token": long, "hf_token": long}) == ({"token": REDACTED, "hf_token": REDACTED}, 2)


def test_a_token_beside_its_probability_is_a_word_of_a_model():
    logprobs = {"content": [{"token": "internationalization", "logprob": -0.1, "bytes": [105]}]}
    assert cleaned(logprobs)[1] == 0


def test_whatever_stands_under_the_name_of_a_secret_is_replaced():
    tree = {"password": 1234, "secret": 0, "secrets": ["a", "b"], "credentials": {"user": "u"}, "cookie": 1.5}
    assert cleaned(tree) == (dict.fromkeys(tree, REDACTED), 5)


def test_secrets_are_found_at_any_depth():
    tree: Any = {"api_key": "hush"}
    for level in range(50):
        tree = {"a": [tree]} if level % 2 else [[tree]]
    found, count = cleaned(tree)
    assert count == 1
    assert "hush" not in repr(found)


def test_names_of_any_length_are_judged_by_their_end_and_not_kept():
    assert cleaned({"x" * 1_000_000 + "_api_key": "hush"})[1] == 1
    secret_names._judge.cache_clear()
    assert not is_secret_name("y" * 1_000_000)
    assert is_secret_name("z" * 1_000_000 + "_password")
    assert secret_names._judge.cache_info().currsize == 2
    assert secret_names.verdict("y" * 128) == ""
    assert secret_names._judge.cache_info().hits == 1


FIELDS = {
    "input": {"api_key": "hush"},
    "output": [{"api_key": "hush"}],
    "request": {"api_key": "hush"},
    "extra": {"extra_headers": {"Authorization": "hush"}},
    "response": {"api_key": "hush"},
    "system_instructions": [{"type": "text", "content": "x", "api_key": "hush"}],
    "input_messages": [{"role": "user", "parts": [{"type": "tool_call", "arguments": {"password": "hush"}}]}],
    "output_messages": [{"role": "assistant", "parts": [{"type": "tool_call", "arguments": {"password": "hush"}}]}],
    "tool_definitions": [{"name": "t", "parameters": {"api_key": "hush"}}],
    "documents": [{"content": "x", "metadata": {"api_key": "hush"}}],
    "input_documents": [{"content": "x", "metadata": {"api_key": "hush"}}],
    "embeddings": [{"text": "x", "api_key": "hush"}],
    "tool": ToolFacts("t", parameters={"api_key": "hush"}),
    "prompts": [PromptUse("Use {password}", {"password": "hush"})],
    "metadata": {"api_key": "hush"},
    "attributes": {"llm.api_key": "hush"},
}


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_passes_the_gate(field):
    span = finished(**{field: FIELDS[field]})
    redact(span)
    assert "hush" not in repr(getattr(span.facts, field))
    assert span.facts.redacted_count == 1


def test_events_and_links_pass_the_gate():
    event = Event("picked", 1, {"api_key": "hush", "size": 2})
    link = Link(1, 2, {"nested": {"cookie": "hush"}})
    span = finished(events=[event, Event("bare", 1, None)], links=[link])
    redact(span)
    assert event.attributes == {"api_key": REDACTED, "size": 2}
    assert link.attributes == {"nested": {"cookie": REDACTED}}
    assert span.facts.redacted_count == 2


def test_spans_without_secrets_stay_as_they_are():
    for kind in FIXED:
        span = FIXED[kind]
        before = repr(span.facts)
        redact(span)
        assert repr(span.facts) == before, kind


def test_parameters_that_are_called_password_keep_their_schema_but_not_their_default():
    def schema() -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {
                "password": {"type": "string", "default": "hush", "examples": ["hush"]},
                "login": {"type": "object", "properties": {"api_key": {"type": "string", "const": "hush"}}},
                "size": {"type": "integer", "default": 3},
                "token": "hush",
                "secret": "hush",
            },
            "required": ["password"],
        }

    expected = {
        "type": "object",
        "properties": {
            "password": {"type": "string", "default": REDACTED, "examples": REDACTED},
            "login": {"type": "object", "properties": {"api_key": {"type": "string", "const": REDACTED}}},
            "size": {"type": "integer", "default": 3},
            "token": "hush",
            "secret": REDACTED,
        },
        "required": ["password"],
    }
    span = finished(
        tool_definitions=[{"type": "function", "name": "login", "parameters": schema()}],
        tool=ToolFacts("login", parameters=schema()),
    )
    redact(span)
    assert span.facts.tool_definitions[0]["parameters"] == expected
    assert span.facts.tool.parameters == expected
    assert span.facts.redacted_count == 8


def test_properties_elsewhere_are_no_schema():
    tree = {"properties": {"credentials": {"value": "hush"}}}
    assert cleaned(tree) == ({"properties": {"credentials": REDACTED}}, 1)


class Failing:
    """What a tree never holds: looking into it fails."""

    __slots__ = ("missing",)


@pytest.mark.parametrize(
    ("field", "value", "instead"),
    [
        ("input", {"a": [Failing()], "text": "hush"}, {"value": REDACTED}),
        ("output", [Failing(), "hush"], []),
        ("attributes", {"a": [Failing()], "text": "hush"}, {"value": REDACTED}),
        ("prompts", [PromptUse("hush", {"a": [Failing()]})], []),
        ("tool", ToolFacts("hush", parameters={"a": [Failing()]}), None),
        ("input_messages", [{"role": "user", "parts": [Failing(), "hush"]}], []),
    ],
)
def test_what_cannot_be_checked_is_replaced_as_a_whole(field, value, instead):
    guard.strict = False
    span = finished(**{field: value, "metadata": {"api_key": "hush"}})
    redact(span)
    assert getattr(span.facts, field) == instead
    assert span.facts.metadata == {"api_key": REDACTED}  # the other fields are checked all the same
    assert span.facts.redacted_count == 2
    assert guard.counts["the redaction gate"] == 1


def test_an_event_that_cannot_be_checked_is_replaced_too():
    guard.strict = False
    event = Event("picked", 1, {"a": [Failing()], "text": "hush"})
    span = finished(events=[event])
    redact(span)
    assert event.attributes == {"value": REDACTED}
    assert span.facts.redacted_count == 1


def test_a_text_that_cannot_be_checked_is_replaced(monkeypatch):
    def fail(*_: Any, **__: Any) -> int:
        raise RecursionError

    guard.strict = False
    monkeypatch.setattr(texts.Scan, "_find", fail)
    span: Span = finished(input="hush api_key=hush", query="hush")
    redact(span)
    assert (span.facts.input, span.facts.query) == (REDACTED, REDACTED)


def test_texts_of_many_spans_are_cleaned_at_once():
    parts = [{"type": "text", "content": said} for said in ("password: hunter2hunter2", "Köln", "", "token")]
    assert Redactor().redact_texts(parts, "content") == 1
    assert [part["content"] for part in parts] == [f"password: {REDACTED}", "Köln", "", "token"]
    parts[0]["content"] = "password: hunter2hunter2"
    assert Redactor(Redaction(paths=["input.*"])).redact_texts(parts, "content") is None
    assert parts[0]["content"] == "password: hunter2hunter2"


def test_the_resource_is_redacted_in_a_copy():
    resource = Resource({"service.name": "shop", "db.password": "hush", "tags": ["a"]})
    assert redact_resource(resource).attributes == {"service.name": "shop", "db.password": REDACTED, "tags": ["a"]}
    assert resource.attributes["db.password"] == "hush"


def test_what_was_replaced_before_is_not_counted_again():
    assert cleaned({"api_key": REDACTED, "password": "hush"}) == ({"api_key": REDACTED, "password": REDACTED}, 1)
