from __future__ import annotations

from typing import Any

import pytest

from callspan.pipeline.redaction.redactor import REDACTED, Redactor
from callspan.policy import PERSONAL, Redaction
from spans import finished


def cleaned(text: str, *kinds: str) -> str:
    span = finished(input=text)
    Redactor(Redaction(personal=kinds)).redact(span)
    assert span.facts is not None
    found: Any = span.facts.input
    return str(found)


@pytest.mark.parametrize(
    ("kind", "text", "left"),
    [
        ("email", "write to jane.doe+x@mail.example.co.uk, please", "write to [redacted], please"),
        ("email", "<bob@example.com>", "<[redacted]>"),
        (
            "email",
            "https://shop.example/?mail=jane.doe%40example.com&page=1",
            "https://shop.example/?mail=[redacted]&page=1",
        ),
        ("email", "An müller@mail.bücher.example, bitte", "An [redacted], bitte"),
        ("email", "请写信给jane@example.com谢谢", "请写信给[redacted]谢谢"),
        ("phone", "call +49 30 1234567 or (555) 010-9999", "call [redacted] or [redacted]"),
        ("phone", "my number is 555-010-9999.", "my number is [redacted]."),
        ("card", "4111 1111 1111 1111 until 12/29", "[redacted] until 12/29"),
        ("card", "5500-0000-0000-0004", "[redacted]"),
        ("card", "378282246310005", "[redacted]"),
        ("iban", "DE89 3704 0044 0532 0130 00 is mine", "[redacted] is mine"),
        ("iban", "GB82WEST12345698765432", "[redacted]"),
        ("ip", "from 192.168.0.17, then 2001:db8::ff00:42:8329", "from [redacted], then [redacted]"),
        ("ip", "localhost is 127.0.0.1:8080 and ::1", "localhost is [redacted]:8080 and [redacted]"),
    ],
)
def test_personal_data_of_a_kind_is_replaced_when_asked_for(kind, text, left):
    assert cleaned(text, kind) == left
    assert cleaned(text) == text
    assert cleaned(text, *(other for other in PERSONAL if other != kind)) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("email", "see @someone and a@b and 3 @ 4"),
        ("email", "@example.com"),
        ("phone", "2026-01-02 03:04:05, order 4711-0815, version 1.2.3"),
        ("phone", "the answer is 42; 3.14159265"),
        ("card", "4111 1111 1111 1112"),
        ("card", "0000 0000 0000 0000"),
        ("card", "order 1234567890123456"),
        ("iban", "DE89 3704 0044 0532 0130 01"),
        ("iban", "AB12 is a gate"),
        ("ip", "version 1.2.3.4.5 and 300.1.1.1 and 12:30:45"),
        ("ip", "a::b is C++ for std::string"),
    ],
)
def test_what_only_looks_like_it_stays(kind, text):
    assert cleaned(text, kind) == text


def test_all_kinds_at_once():
    span = finished(input={"a": ["bob@example.com", "192.168.0.17"]}, query="4111111111111111")
    Redactor(Redaction(personal=True)).redact(span)
    assert span.facts.input == {"a": [REDACTED, REDACTED]}
    assert span.facts.query == REDACTED
    assert span.facts.redacted_count == 3


def test_a_card_that_is_given_as_a_number():
    span = finished(
        input={"card": 4111111111111111, "cards": [378282246310005, 4111111111111112]}, output={"at": 1700000000000006}
    )
    Redactor(Redaction(personal=["card"])).redact(span)
    assert span.facts.input == {"card": REDACTED, "cards": [REDACTED, 4111111111111112]}
    assert span.facts.output == {"at": 1700000000000006}
    assert span.facts.redacted_count == 2
    other = finished(input={"card": 4111111111111111})
    Redactor(Redaction(personal=["email"])).redact(other)
    assert other.facts.input == {"card": 4111111111111111}
