"""What the rules for credentials find in texts and trees, what they leave alone, and how long they take."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from callspan.pipeline.redaction import named_secrets, secret_shapes
from callspan.pipeline.redaction.redactor import REDACTED, Redactor, redact
from callspan.pipeline.redaction.secret_names import verdict
from harmless import HARMLESS
from harmless_unseen import UNSEEN
from planted import MARK, TEXTS, TREES, plain
from spans import finished


def cleaned(tree: Any) -> tuple[Any, int]:
    span = finished(input=tree)
    redact(span)
    assert span.facts is not None
    return span.facts.input, span.facts.redacted_count


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_a_secret_in_a_text_is_replaced(number):
    text = TEXTS[number](number)
    assert MARK in text or number == 20
    found, count = cleaned(text)
    assert count >= 1
    assert REDACTED in found
    assert MARK not in found


@pytest.mark.parametrize("number", range(len(TREES)))
def test_a_secret_in_a_tree_is_replaced(number):
    tree = plain(TREES[number](number))
    assert MARK in repr(tree)
    found, count = cleaned(tree)
    assert count >= 1
    assert MARK not in repr(found)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("use sk-abcdefghij0123456789 now", "use [redacted] now"),
        ("api_key=abc123, x=1", "api_key=[redacted], x=1"),
        ("{'password': 'it''s', 'user': 'me'}", "{'password': '[redacted]''s', 'user': 'me'}"),
        ('{"password": "a\\"b", "user": "me"}', '{"password": "[redacted]", "user": "me"}'),
        ('{\\"password\\": \\"ab\\", \\"user\\": 1}', '{\\"password\\": \\"[redacted]\\", \\"user\\": 1}'),
        ('{"secrets": [1, "]", {"a": "}"}], "b": 2}', '{"secrets": [redacted], "b": 2}'),
        ("postgresql://me:pw@db/shop", "postgresql://[redacted]@db/shop"),
        ("https://x.example/?a=1&key=abc&b=2", "https://x.example/?a=1&key=[redacted]&b=2"),
        ("Authorization: Bearer abc\nHost: x", "Authorization: [redacted]\nHost: x"),
        ("größe=1; password=größe1; é", "größe=1; password=[redacted]; é"),
        ("if password == 'hunter22': pass", "if password == '[redacted]': pass"),
        ("**sk-abcdefghij0123456789**", "**[redacted]**"),
        ("_sk-abcdefghij0123456789_", "_[redacted]"),
        ("a\\nsk-abcdefghij0123456789\\n", "a\\n[redacted]\\n"),
        ("\\u001bsk-abcdefghij0123456789", "\\u001b[redacted]"),
        ("q=%22sk-abcdefghij0123456789", "q=%22[redacted]"),
        ("password = abc1 and password = abc2", "password = [redacted] and password = [redacted]"),
        (json.dumps(json.dumps({"password": 'a"b', "x": 1})), json.dumps(json.dumps({"password": REDACTED, "x": 1}))),
        (json.dumps(json.dumps({"password": "ab\\", "x": 1})), json.dumps(json.dumps({"password": REDACTED, "x": 1}))),
    ],
)
def test_what_stands_around_a_secret_stays(text, left):
    assert cleaned(text)[0] == left


def test_a_second_pass_finds_nothing_more():
    for make in TEXTS:
        span = finished(input=make(1), query=make(2))
        redact(span)
        before = span.facts.input, span.facts.query, span.facts.redacted_count
        redact(span)
        assert (span.facts.input, span.facts.query, span.facts.redacted_count) == before


def test_texts_are_looked_at_alone_though_they_are_joined():
    assert cleaned(["password=", "abc123"]) == (["password=", "abc123"], 0)
    assert cleaned(["-----BEGIN " + "PRIVATE KEY-----\nabc", "next"])[1] == 0
    assert cleaned(["-----BEGIN " + "PRIVATE KEY-----\nMIIEabcdefghijklmnop", "next"])[0] == [REDACTED, "next"]
    assert cleaned(["a\x00password=abc1", "b"])[0] == ["a\x00password=[redacted]", "b"]


def test_a_secret_in_one_text_does_not_hide_those_in_the_next():
    """What one text leaves open, or has too much of, ends with it."""
    for make in TEXTS:
        for opening in ("-----BEGIN " + "PRIVATE KEY-----\nMIIEabcdefghijklmnop", "://a@" * 3_000, "akey:" * 3_000):
            for texts in ([opening, make(1)], [opening, "harmless", make(1), "more"], [make(2), opening, make(3)]):
                found, _ = cleaned([*texts])
                assert MARK not in repr(found), texts
        found, _ = cleaned([make(1), make(2), make(3)])
        assert MARK not in repr(found)
    for one in TEXTS:
        for other in TEXTS:
            assert MARK not in repr(cleaned({"a": one(1), "b": [other(2)]}))


def test_a_secret_in_the_name_of_a_key_is_replaced_and_no_value_lost():
    key = "sk-abcdefghij0123456789"
    assert cleaned({key: 1, key + "x": 2, "b": 3})[0] == {REDACTED: 1, f"{REDACTED} #2": 2, "b": 3}


def test_a_secret_in_the_name_of_a_tools_parameter_is_replaced():
    key = "sk-abcdefghij0123456789"
    span = finished(tool_definitions=[{"parameters": {"properties": {key: {"type": "string"}, "b": {}}}}])
    redact(span)
    assert span.facts.tool_definitions == [{"parameters": {"properties": {REDACTED: {"type": "string"}, "b": {}}}}]


def test_pairs_are_a_name_and_a_value_only_among_pairs():
    assert cleaned([["x-api-key", "hush"], ["accept", "*/*"]])[0] == [["x-api-key", REDACTED], ["accept", "*/*"]]
    assert cleaned({"required": ["password", "email"]})[1] == 0


def test_harmless_values_stay():
    wrong = [value for value in HARMLESS if cleaned({"value": copy.deepcopy(value)})[1]]
    assert len(HARMLESS) >= 500
    assert len(wrong) <= len(HARMLESS) / 100, wrong


def test_harmless_values_that_the_rules_were_not_written_with_stay():
    """Each as the text it is, and as the tree that a JSON text stands for."""

    def as_tree(text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            return text

    assert len(UNSEEN) >= 500
    assert len({*UNSEEN}) == len(UNSEEN)
    for values in (UNSEEN, [as_tree(text) for text in UNSEEN]):
        wrong = [value for value in values if cleaned({"value": copy.deepcopy(value)})[1]]
        assert len(wrong) <= len(UNSEEN) / 100, wrong


@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ('print("Password: " + ask("name"))', False),
        ('print(\\"Password: \\" + ask(\\"name\\"))', False),
        ('print("Password: " + "x", password="hunter22")', True),
        ('Password: "hunter22"', True),
        ("Authorization: who may do what, and who may not?", False),
        ("Authorization: whatever this is, it is 1 secret", True),
        ("Authorization: abcdefghijklmnop", True),
        ("Authorization: bearer abcdefghijklmnop in the header", True),
        ("password = var.db_password", False),
        ("password = variable1", True),
        ("if password == expected1: return", False),
        ("if (user.password === stored.password1) return", False),
        ('if password == "hunter22": return', True),
    ],
)
def test_values_are_told_from_prose_and_programs(text, is_secret):
    assert (cleaned(text)[1] > 0) == is_secret


@pytest.mark.parametrize(
    "value",
    [
        "pass --password to be asked, or --password-file secrets.txt",
        "tool --api-key YOUR_API_KEY --region eu-west-1",
        "tool --password $DB_PASSWORD --user me1",
        "tool --token 12345678 --password --user me1",
        "docker build --secret id=npm1,src=.npmrc .",
        'parser.add_argument("--password", "-p", "--pass1", help="at least 8 characters")',
        "--- a/secret.py --- b/secret1.py",
        ["--password", "--user1", "me"],
        ["--max-tokens", "1000", "--token", "12345"],
        "**Password:** at least eight characters",
        "**Token**: 12345",
        "| **Password** | 12 |",
        "https://hooks.slack.com/services/T0/B0/hidden",
        "https://example.com/bots/bot1:status",
        "https://discord.com/api/webhooks/1234567890/",
        "low_pass: 4000, tests_pass=12345, first_pass: done1",
        {"low_pass": "4000 Hz", "testsPass": 12, "proxy_pass": "http://shop1"},
        "<token>12345678</token><password>${DB_PASSWORD}</password><pwd></pwd><secret>***</secret>",
        "<label>Password</label><input name='password'><b>hunter22</b><password><b>new1</b></password>",
        "curl -u $USER:$PASS https://shop1.example && docker run --user 1000:1000 shop1",
        "curl localhost:8080 && rsync -u shop:/backup/2024 . && git push -u origin main:main1x",
        "tool -u admin:hunter22",
    ],
)
def test_flags_and_addresses_that_give_nothing_away_stay(value):
    assert cleaned(copy.deepcopy(value)) == (value, 0)


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("mysql --password hunter22 -h db", "mysql --password [redacted] -h db"),
        ("mysql --password 'hunter 22' -h db", "mysql --password '[redacted]' -h db"),
        ('["mysql", "--password", "hunter22", "-h", "db"]', '["mysql", "--password", "[redacted]", "-h", "db"]'),
        (["mysql", "--password", "hunter22", "-h", "db1"], ["mysql", "--password", REDACTED, "-h", "db1"]),
        ({"a": "mysql --password\thunter22"}, {"a": "mysql --password\t[redacted]"}),
        ({"a": "curl -u\tadmin:hunter22 x/y"}, {"a": "curl -u\tadmin:[redacted] x/y"}),
        ("curl -u admin:hunter22 https://shop", "curl -u admin:[redacted] https://shop"),
        ("curl \\\n-u 'admin:hunter 22' x/y", "curl \\\n-u 'admin:[redacted]' x/y"),
        (r'"[\"curl\",\"-u\",\"me:hunter22\",\"x/y\"]"', r'"[\"curl\",\"-u\",\"me:[redacted]\",\"x/y\"]"'),
        ("<a><password>hunter22</password></a>", "<a><password>[redacted]</password></a>"),
        ("<dbPass><![CDATA[hunter22]]></dbPass>", "<dbPass><![CDATA[[redacted]]]></dbPass>"),
        ("SMTP_PASS=hunter22;x", "SMTP_PASS=[redacted];x"),
        ({"dbPass": "hunter22", "x": 1}, {"dbPass": REDACTED, "x": 1}),
        ("**Password:** hunter22 (change it)", "**Password:** [redacted] (change it)"),
        (
            "see https://hooks.slack.com/services/T01/B01/abcdefghijklmnop, please",
            "see https://hooks.slack.com/services/[redacted], please",
        ),
    ],
)
def test_what_stands_around_a_flag_stays(value, left):
    assert cleaned(value) == (left, 1)
    assert cleaned(copy.deepcopy(left)) == (left, 0)


PAIRS = [["accept", "*/*"], ["authorization", 'it is "hush"'], ["x-api-key", "hush"]]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(PAIRS),
        json.dumps(PAIRS, indent=2),
        json.dumps({"body": json.dumps(PAIRS)}),
        json.dumps({"body": json.dumps({"headers": json.dumps(PAIRS, indent=2)})}),
        repr([tuple(pair) for pair in PAIRS]),
        repr(tuple(map(tuple, PAIRS))),
        f"sent {PAIRS} to the shop",
        '[["accept", "*/*"], ["x-api-key", "hush"], ["cookie", "hush: cut off',
    ],
)
def test_pairs_of_names_and_values_in_texts_are_replaced(text):
    found, count = cleaned(text)
    assert "hush" not in found
    assert count == 2
    assert "*/*" in found


@pytest.mark.parametrize(
    "text",
    [
        'if field in ("password", "email"): pass  # [[1, 2]]',
        '{"required": ["password", "email"], "more": [[1]]}',
        '[["key", "value"], ["monkey", "see"]]',
        'os.environ.get("API_KEY", "none") or [[]]',
        '[["password", "email", "name"]]',
    ],
)
def test_names_in_lists_are_no_pairs(text):
    assert cleaned(text) == (text, 0)


@pytest.mark.parametrize(
    ("value", "is_secret"),
    [
        ({"type": "string", "description": "at least 8 characters"}, False),
        ({"type": "string", "default": "hunter22"}, True),
        ({"type": "string", "value": "hunter22"}, True),
        ({"type": "hunter22"}, True),
        ({"description": "hunter22"}, True),
    ],
)
def test_the_schema_of_a_secret_is_none_wherever_it_stands(value, is_secret):
    assert (cleaned({"properties": {"password": value}})[1] > 0) == is_secret
    assert (cleaned(json.dumps({"password": value}))[1] > 0) == is_secret


def test_what_is_left_alone_quickly_is_what_is_left_alone():
    """The gate looks at the whole span at once before it looks at its parts; that must not miss any."""
    slow = Redactor()
    slow._is_quick = False
    values = [*HARMLESS, *(make(7) for make in TEXTS), *(plain(make(7)) for make in TREES)]
    for value in values:
        for field in ("input", "metadata", "query", "system_instructions", "input_messages", "output_messages"):
            if field in ("query", "system_instructions") and not isinstance(value, str):
                continue
            part = {"type": "text", "content": value}
            given = [{"role": "user", "parts": [part]}] if "messages" in field else value
            given = {"metadata": {"value": value}, "system_instructions": [part]}.get(field, given)
            thorough, quick = finished(**{field: copy.deepcopy(given)}), finished(**{field: copy.deepcopy(given)})
            slow.redact(thorough)
            redact(quick)
            assert repr(quick.facts) == repr(thorough.facts), value


SECRET = "api_key=sk-12345678901234567890"


@pytest.mark.parametrize(
    "message",
    [
        {"role": SECRET, "parts": [{"type": "text", "content": "Hi"}]},
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}], "finish_reason": SECRET},
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}], "name": SECRET},
        {"role": "user", "parts": [{"type": SECRET, "content": "Hi"}]},
        {"role": "user", "parts": [{"type": "text", "content": "Hi", "id": SECRET}]},
        {"role": "user", "parts": [{"type": "text", "content": {"password": "hunter22"}}]},
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}, {"type": "text", "content": SECRET}]},
        {"role": "user", "parts": [{"type": "text", "content": "\ud83d"}, {"type": "text", "content": SECRET}]},
        {"role": "user", "parts": [{"type": "tool_call", "name": "buy", "arguments": {"password": "hunter22"}}]},
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}], "password": "hunter22"},
    ],
)
@pytest.mark.parametrize("field", ["input_messages", "output_messages"])
def test_wherever_a_secret_stands_in_a_message(field, message):
    plain_one = {"role": "user", "parts": [{"type": "text", "content": "Is it blue?"}]}
    span = finished("llm", **{field: [plain_one, copy.deepcopy(message)]})
    redact(span)
    assert span.facts.redacted_count == 1
    assert "hunter22" not in repr(span.facts)
    assert "sk-123" not in repr(span.facts)


def test_every_name_of_a_secret_is_near_when_it_stands_there():
    spelled = "api_key apiKeys Token COOKIES secret Secrets password passwords passwd pwd passphrase Authorization"
    for name in f"{spelled} credential credentials connection_string connectionString access_key_id keyId".split():
        for form in ('{{"{}":1}}', "{} = 1", "'{}' => 1", '\\"{}\\": 1', "{}\t:1"):
            assert named_secrets.nearby(form.format(name).encode()), form.format(name)


def test_a_name_is_near_however_much_may_stand_between_it_and_its_value():
    words = b"a word or two of no interest " * 200
    for name in (b"api_key", b"connection string", b"credentials", b"secret_access_key_id"):
        for between in (b"", b'"' * 99, b"\\" * 99 + b" is" + b" " * 8):
            text = words + name + between + b"=> hunter2hunter2 " + words
            assert named_secrets.nearby(text), text[len(words) : -len(words)]
    assert named_secrets.nearby(b"a key " + words + b": of no interest" + words) == []


def test_finders_take_any_bytes():
    for data in (b"", b"a" * 16, bytes(range(256)) * 4, "sk-é".encode() * 9, b"\xff" * 100):
        list(secret_shapes.find(data))
        list(named_secrets.find(data, verdict))
