"""Secrets to plant: every one holds a mark of its own, so that one search through raw bytes shows what got out.

They are made up, and put together here, so that nobody's scanner takes them for real ones.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

MARK: Final = "CANARY"
_B64: Final = base64.b64encode(MARK.encode()).decode().rstrip("=")[:7]
MARKS: Final = (MARK.encode(), MARK.lower().encode(), _B64.encode())
"""What must be nowhere."""


@dataclass
class Login:
    """An object that holds a secret, as users have them."""

    user: str
    password: str


def word(number: int) -> str:
    """Return a secret without any shape: only its name tells."""
    return f"{MARK}{number:04}"


def long(number: int, length: int = 40) -> str:
    """Return letters and digits, as a maker's keys have them."""
    return (word(number) + "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xY" * 3)[:length]


# Texts that hold a secret which its shape, or the name before it, gives away.
TEXTS: Final[list[Callable[[int], str]]] = [
    lambda n: "sk-" + long(n),
    lambda n: "sk-" + "proj-" + long(n, 60),
    lambda n: "my key is sk-" + "ant-" + "api03-" + long(n, 80) + ", please use it",
    lambda n: "see:\nsk-" + "or-v1-" + long(n, 60) + "\n",
    lambda n: "gh" + "p_" + long(n, 36),
    lambda n: "(gh" + "s_" + long(n, 36) + ")",
    lambda n: "github" + "_pat_" + long(n, 60),
    lambda n: "glp" + "at-" + long(n, 20),
    lambda n: "xo" + "xb-" + long(n, 50),
    lambda n: "AK" + "IA" + f"{word(n)}QRSTUVWXYZ"[:16],
    lambda n: "AI" + "za" + long(n, 35),
    lambda n: "hf" + "_" + long(n, 34),
    lambda n: "sk" + "_live_" + long(n, 24),
    lambda n: "np" + "m_" + long(n, 36),
    lambda n: "S" + "G." + long(n, 22) + "." + long(n, 43),
    lambda n: "ey" + "J" + long(n, 20) + "." + "ey" + "J" + long(n, 30) + "." + long(n, 43),
    lambda n: "-----BEGIN RSA " + f"PRIVATE KEY-----\nMIIE{long(n)}\n{long(n)}\n-----END RSA " + "PRIVATE KEY-----",
    lambda n: "-----BEGIN " + f"PRIVATE KEY-----\n{long(n)}",
    lambda n: f"curl -H 'Authorization: Bearer {long(n)}' https://example.com",
    lambda n: f"Bearer {long(n)}",
    lambda n: f"authorization: Basic {base64.b64encode(f'{MARK}:{word(n)}:something'.encode()).decode()}",
    lambda n: f"POST / HTTP/1.1\r\nHost: x\r\nX-Api-Key: {word(n)}x\r\nAccept: */*\r\n",
    lambda n: f"Cookie: session={word(n)}; theme={word(n)}",
    lambda n: f"Set-Cookie: id={word(n)}; HttpOnly",
    lambda n: f"postgresql://shop:{word(n)}@db.example.com:5432/shop",
    lambda n: f"redis://:{word(n)}@localhost:6379/0",
    lambda n: f"https://{long(n, 32)}@sentry.example.com/17",
    lambda n: f"https://example.com/v1?key={word(n)}&x=1",
    lambda n: f"https://example.com/v1?x=1&access_token={long(n, 24)}",
    lambda n: f"https://blob.example.com/a?se=2026&sig={word(n)}%2Fabc",
    lambda n: f"Server=db;Database=shop;User Id=sa;Password={word(n)};",
    lambda n: f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={long(n)}==;",
    lambda n: f"OPENAI_API_KEY={word(n)}\nPATH=/usr/bin",
    lambda n: f"export AWS_SECRET_ACCESS_KEY={long(n)}",
    lambda n: f"api_key: {word(n)}\nmodel: gpt-4o\n",
    lambda n: f'client_secret = "{word(n)} with a space"',
    lambda n: f"login(user='me', password='{word(n)}')",
    lambda n: f"my password is: {word(n)}",
    lambda n: f"The API key: {word(n)}!",
    lambda n: json.dumps({"api_key": word(n), "model": "gpt-4o"}),
    lambda n: json.dumps({"a": [{"b": {"clientSecret": f'{word(n)}"quoted'}}]}, indent=2),
    lambda n: json.dumps({"body": json.dumps({"password": word(n)})}),
    lambda n: json.dumps({"credentials": {"user": "u", "value": [word(n), {"x": word(n)}]}}),
    lambda n: json.dumps({"text": json.dumps({"deep": json.dumps({"apiKey": word(n)})})}),
    lambda n: repr({"password": word(n), "user": "me"}),
    lambda n: f"headers={{'authorization': 'Token {word(n)}'}}",
    lambda n: f"<!-- secret={word(n)} -->",
    lambda n: f"mysql -u root --password {word(n)} shop",
    lambda n: f'tool --api-key "{word(n)} x" --verbose',
    lambda n: json.dumps({"command": ["tool", "--client-secret", word(n), "--verbose"]}),
    lambda n: repr(["tool", "--token", long(n)]),
    lambda n: f"**Password:** {word(n)}",
    lambda n: f"- **API Key**: `{word(n)}`\n- **Region**: eu-west-1",
    lambda n: f"PGPASSWORD={word(n)} psql -h db",
    lambda n: f"MYSQL_PWD={word(n)} mysql",
    lambda n: json.dumps({"encryptionKey": word(n)}),
    lambda n: f"https://hooks.slack.com/services/T00000000/B00000000/{long(n, 24)}",
    lambda n: f"https://discord.com/api/webhooks/1234567890/{long(n, 60)}",
    lambda n: f"POST https://api.telegram.org/bot123456789:{long(n, 35)}/sendMessage",
    lambda n: f"grüße an alle; passwort ist nichts, password={word(n)} ist es 🙂",
    lambda n: f"DB_HOST=db\nDB_PASS={word(n)}\n",
    lambda n: f"<server><id>shop</id><password>{word(n)}</password></server>",
    lambda n: f"<x:apiKey>\n  {word(n)}\n</x:apiKey> <p>more</p>",
    lambda n: f"curl -u admin:{word(n)} https://example.com",
    lambda n: json.dumps(["curl", "--user", f"admin:{word(n)}", "https://example.com"]),
]

# Trees that hold a secret which the name of its key gives away.
TREES: Final[list[Callable[[int], Any]]] = [
    lambda n: {"api_key": word(n)},
    lambda n: {"headers": {"Authorization": word(n), "X-Api-Key": word(n)}},
    lambda n: {"a": {"b": {"c": {"d": {"e": {"f": {"password": word(n)}}}}}}},
    lambda n: [({"secret": word(n)},), [{"access_token": word(n)}]],
    lambda n: {"cookies": {"session": word(n)}, "passphrase": [word(n)]},
    lambda n: {"headers": [("authorization", word(n)), ("x-api-key", word(n))]},
    lambda n: {"env": {"DB_PASSWORD": word(n), "AWS_SECRET_ACCESS_KEY": word(n), "HOME": "/root"}},
    lambda n: {"login": Login("me", word(n)), "ok": True},
    lambda n: {"my api key": word(n), "refreshToken": word(n), "private-key": word(n), "connection.string": word(n)},
    lambda n: {"credentials": ("me", word(n)), "session_token": word(n) + "x" * 20, "token": word(n) + "x" * 20},
    lambda n: {"argv": ["tool", "--verbose", "--password", word(n), "--user", "me"]},
    lambda n: {"dbpassword": word(n), "MYSQL_PWD": word(n), "signing_key": word(n), "master-key": word(n)},
    lambda n: {f"key sk-{long(n)} of the user": 1},
]


def plain(tree: Any) -> Any:
    """Return a tree as it stands in facts: without tuples and objects."""
    if isinstance(tree, Login):
        return {"user": tree.user, "password": tree.password}
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    return [plain(value) for value in tree] if isinstance(tree, list | tuple) else tree


def texts() -> Iterator[str]:
    """Make one secret of every kind that can stand in a text, without end."""
    number = 0
    while True:
        for make in TEXTS:
            number += 1
            yield make(number)


def trees() -> Iterator[Any]:
    """Make trees with secrets in them, texts among them, without end."""
    number = 5000
    while True:
        for make in TREES:
            number += 1
            yield make(number)
        for make in TEXTS:
            number += 1
            yield {"question": ["Why?", make(number)]}
