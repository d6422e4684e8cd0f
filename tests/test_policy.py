from __future__ import annotations

import re

import pytest

from callspan.errors import ConfigurationError
from callspan.policy import PERSONAL, Redaction, redaction


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("credentials", 1),
        ("personal", ["mail"]),
        ("personal", "email"),
        ("keys", "customer"),
        ("keys", [""]),
        ("keys", [1]),
        ("keep_keys", {"a": 1}),
        ("paths", 7),
        ("allow", "input"),
        ("patterns", ["("]),
        ("patterns", [b"a"]),
        ("patterns", ["a*"]),
        ("patterns", "abc"),
        ("function", "upper"),
        ("by", "magic"),
        ("mark", ""),
        ("mark", "a\nb"),
        ("mark", "x" * 65),
    ],
)
def test_a_wrong_rule_is_named_and_its_value_never(field, value):
    with pytest.raises(ConfigurationError, match=rf"redact\.{field}") as caught:
        Redaction(**{field: value})
    assert "customer" not in str(caught.value)


def test_lists_are_kept_as_tuples_and_rules_can_be_compared():
    rules = Redaction(personal=True, keys=iter(["a"]), patterns=["x+"], paths=["input.*"])
    assert rules == Redaction(personal=PERSONAL, keys=["a"], patterns=[re.compile("x+")], paths=("input.*",))
    assert rules != Redaction()


def test_what_configure_takes_as_redact():
    rules = Redaction(keys=["a"])
    assert redaction(rules) is rules
    assert redaction(None) == redaction(True) == Redaction()
    assert redaction(False) == Redaction(credentials=False)
    assert redaction(max).function is max
    with pytest.raises(ConfigurationError, match="redact: got list"):
        redaction([1])
