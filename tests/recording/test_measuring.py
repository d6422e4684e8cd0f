"""What is looked at of a call that is measured and not recorded."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from callspan.recording.measuring import model_given, told_of
from callspan.recording.sites import Site


class Odd:
    """Has attributes that nobody may read, and stores what may be told."""

    def __init__(self):
        self.usage, self.secret = {"prompt_tokens": 1}, "hush"

    @property
    def model(self):
        raise AssertionError


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            {"model": "m", "usage": {"prompt_tokens": 1}, "choices": ["text"]},
            {"model": "m", "usage": {"prompt_tokens": 1}},
        ),
        ({"usage_metadata": {"input_tokens": 1}, "text": "x"}, {"usage_metadata": {"input_tokens": 1}}),
        ({"model": Odd(), "usage": None}, {"usage": None}),
        (SimpleNamespace(model="m", content="text"), {"model": "m"}),
        (Odd(), {"usage": {"prompt_tokens": 1}}),
        (object(), None),
        ("a text", None),
        (["a", "list"], None),
        (None, None),
        ({}, {}),
    ],
)
def test_only_model_and_usage_are_taken(value, told):
    assert told_of(value) == told


@pytest.mark.parametrize(
    ("args", "kwargs", "model"),
    [
        (("hello", "m"), {}, "m"),
        (("hello",), {"model": "m"}, "m"),
        (("hello",), {}, "default"),
        (("hello", 7), {}, None),
        ((), {}, "default"),
    ],
)
def test_the_model_is_found_among_the_arguments(args, kwargs, model):
    site = Site("chat", "llm", parameters=("prompt", "model"), defaults={"model": "default"})
    method = Site("chat", "llm", parameters=("prompt", "model"), defaults={"model": "default"}, skip_first=True)
    expected = None if model is None else {"model": model}
    assert model_given(site, args, kwargs) == expected
    assert model_given(method, (object(), *args), kwargs) == expected


def test_without_such_a_parameter_there_is_no_model():
    assert model_given(Site("chat", "llm", parameters=("prompt",)), ("m",), {"temperature": 1}) is None
