"""Finds credentials in texts by the name in front of them: `api_key=…`, JSON inside strings, headers, URLs.

Names count that `pipeline.secret_names` calls secret. Everything works on bytes, in two steps. `nearby` looks, on a
copy that is folded and shortened until few endings are left, for the last words of such names before a `:` or `=`;
most texts hold none, and this is all they cost. Only where one stands, patterns that begin with it go through the text.
Times are linear in the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from callspan.pipeline.redaction.secret_names import BETWEEN, Verdict, is_credential
from callspan.pipeline.redaction.secret_shapes import Interval, is_dense, values_after

Judge = Callable[[str], Verdict]

_WORDS: Final = {  # the last word of a name, by its beginning, and what may follow of it
    # alone, it is no name of a secret; api, access, secret, private, account, subscription key
    b"key": rb"key(?:(?<=[a-z0-9_.?&-]key)|(?<=(?:api|ess|ret|ate|unt|ion) key))(?:s|[_-]id|id)?",
    b"token": rb"token",
    b"cookie": rb"cookies?",
    b"secret": rb"secrets?",
    b"passw": rb"passw(?:or)?ds?",
    b"pwd": rb"pwd",
    b"passph": rb"passphrase",
    b"authoriz": rb"authorization",
    b"credential": rb"credentials?",
    b"connection": rb"connection[ _.-]?string",
    b"pass": rb"pass",
}
_PATTERNS: Final = {stem: re.compile(rb"(" + word + rb")" + BETWEEN) for stem, word in _WORDS.items()}
_IN_JSON: Final = {  # where texts stand quoted, backslashes are twice as many
    stem: re.compile(rb"(" + word + rb")" + BETWEEN.replace(b"40", b"99")) for stem, word in _WORDS.items()
}

# The copy that is searched first: capitals and `=` folded, letters that no ending needs made one, and most others
# dropped with all that may stand between a name and its separator. So `"api_key" =`, `cookies:` and `Token: ` all end
# in `ke:`, seven endings are enough, and the copy is a third as long as the text.
_KEPT: Final = b"ceghklptwz:"
_OTHERS: Final = b"bfjmquvx"
_FOLD: Final = bytes(
    58 if byte == 61 else ord("x") if byte in _OTHERS + _OTHERS.upper() else byte | 32 for byte in range(256)
)
_DROPPED: Final = bytes(
    byte for byte in range(256) if byte not in _KEPT + _KEPT.upper() + _OTHERS + _OTHERS.upper() + b"="
)
_ENDINGS: Final = (
    ("ke:", (b"key", b"token", b"cookie")),
    ("cet:", (b"secret",)),
    ("pw:", (b"passw", b"pwd")),
    ("pphe:", (b"passph",)),
    ("zt:", (b"authoriz",)),
    ("etl:", (b"credential",)),
    ("ttg:", (b"connection",)),
    ("p:", (b"pass",)),
)
_LONGEST_ENDING: Final = 5
_REACH: Final = 144  # no name of a secret is so long with all that may stand between it and its separator
_SPARSE: Final = 128  # bytes per separator above which it is cheaper to look only at what stands before them

_URL_NAMES: Final = re.compile(rb"(?<=[?&-])sig(?:nature)?=", re.IGNORECASE)
_URL_VALUE: Final = re.compile(rb"""[^\s&"'<>#\\\x00]{8,}""")
_FIRST_WORDS: Final = tuple(b"api access secret private auth refresh client bearer set connection".split())
_NAME_BYTES: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
_MOST_NAME_BYTES: Final = 48
_MOST_ESCAPES: Final = 1000
_MOST_BACKSLASHES: Final = 512
_MOST_TOKENS: Final = 20_000
_COMPARED: Final = re.compile(rb"=+[ \t]{0,8}")  # after the `=` that was found
_OPENING: Final = re.compile(rb"""(\\*)(["'`])""")
_BARE: Final = re.compile(rb"""[^\s"'`&,;<>()\[\]{}|\\\x00]+""")
_LINE: Final = re.compile(rb"""[^\r\n"'\\\x00]+""")
_COOKIES: Final = re.compile(rb"""[^\r\n"'\\\x00=]{1,128}=[^\r\n"'\\\x00]+""")
_NO_VALUES: Final = frozenset(
    b"none null true false undefined required optional string str bytes int any secret password text hidden".split()
)
_NO_BEGINNINGS: Final = tuple(b"os. self. settings. config. env. process. var. local. secrets. $ * ... / {{".split())
_SCHEMES: Final = tuple(b"basic bearer digest token apikey negotiate".split())
_PROSE_WORDS: Final = 3
_TREE: Final = re.compile(rb"""[\[\]{}]|"[^"\\]*(?:\\.[^"\\]*)*"?""", re.DOTALL)
_SCHEMA: Final = re.compile(rb'''\{\s*\\*"type\\*"\s*:\s*\\*"(?:string|integer|number|boolean|array|object|null)\\*"''')
_SCHEMA_VALUE: Final = re.compile(rb'''"(?:default|const|enum|examples?|values?)\\*"''')
_LONGEST_TOKEN: Final = 4096
_LONGEST_BARE: Final = 256
_LONGEST_WORD: Final = 20
_SHORTEST_SECRET: Final = 4


def find(data: bytes, judge: Judge, more: re.Pattern[bytes] | None = None) -> Iterator[Interval]:
    """Yield where values of secret names stand, in no order; `more` finds the beginnings of other names."""
    stems = nearby(data)
    if stems or more is not None:
        lowered = data.lower()
        for pattern in (*(_PATTERNS[stem] for stem in stems), *((more,) if more is not None else ())):
            yield from values_after(pattern, lowered, partial(_value_after, data, lowered, judge))
    if _holds_signature(data):
        position = 0
        while (found := _URL_NAMES.search(data, position)) is not None:
            value = _URL_VALUE.match(data, found.end())
            position = value.end() if value is not None else found.end()
            if value is not None:
                yield value.span()


def holds_name(data: bytes, judge: Judge) -> bool:
    """Return whether a name stands in a JSON text whose value a tree's walk could replace; rather once too often."""
    stems = nearby(data)
    if stems:
        lowered = data.lower()
        for stem in stems:
            if lowered.rfind(stem) < 0:  # a fraction of what the pattern takes
                continue
            for count, found in enumerate(_IN_JSON[stem].finditer(lowered)):
                if is_dense(count, found.start()):
                    return True
                start = _start_of_name(data, found.start(1))
                before = data[start - 1 : start]
                if before in (b"?", b"&", b"\\") or judge(data[start : found.end(1)].decode()):
                    return True
                if before == b" " and _has_first_word(data, lowered, start, found.end(1), judge):
                    return True
    return _holds_signature(data) and _URL_NAMES.search(data) is not None


def _has_first_word(data: bytes, lowered: bytes, start: int, end: int, judge: Judge) -> bool:
    """Return whether a name of several words may end here: one in a text, or the key of a tree, which begins quoted."""
    if lowered[max(start - 12, 0) : start - 1].endswith(_FIRST_WORDS):
        return True
    words = data[max(start - _MOST_NAME_BYTES, 0) : end].rpartition(b'"')[2]
    return bool(judge(words.decode("utf-8", "replace")))


def _holds_signature(data: bytes) -> bool:
    """Return whether a URL may hold one: the pattern alone would take ten times as long."""
    if data.find(b"?") < 0 or data.find(b"=") < 0:
        return False
    lowered = data.lower()
    return lowered.rfind(b"sig=") >= 0 or lowered.rfind(b"signature=") >= 0


def nearby(data: bytes) -> list[bytes]:
    """Return the beginnings of last words of names that may stand before a separator; never too few."""
    pieces = data.replace(b"=", b":").split(b":")
    if len(data) > len(pieces) * 2 * _REACH:  # what is far from all separators need not be folded
        data = b":".join([piece[-_REACH:] for piece in pieces[:-1]] + [b""])
    folded = data.translate(_FOLD, _DROPPED).decode("latin-1")
    count = folded.count(":")
    if len(data) > count * _SPARSE:
        if not count:
            return []
        folded = ":".join([piece[-_LONGEST_ENDING:] for piece in folded.split(":")[:-1]]) + ":"
    return [stem for end, stems in _ENDINGS if folded.rfind(end) >= 0 for stem in stems]  # `in` takes twice as long


def _value_after(data: bytes, lowered: bytes, judge: Judge, found: re.Match[bytes], end: int) -> Interval | None:
    verdict, start = _judge(data, lowered, found, judge)
    if not verdict:
        return None
    value = _value(data, found, start, end if verdict == "secret" else min(end, found.end() + _LONGEST_TOKEN))
    if value is None or verdict == "secret" or is_credential(data[slice(*value)].decode("latin-1")):
        return value
    return None


def _judge(data: bytes, lowered: bytes, found: re.Match[bytes], judge: Judge) -> tuple[Verdict, int]:
    """Judge the name that ends where `found` does; return where it starts, too."""
    start = _start_of_name(data, found.start(1))
    name = data[start : found.end(1)].decode("ascii", "replace")
    verdict = judge(name)
    before = data[start - 1 : start]
    if verdict != "secret" and before == b" " and lowered[max(start - 12, 0) : start - 1].endswith(_FIRST_WORDS):
        words = lowered[_start_of_name(data, start - 1) : found.end(1)].decode("ascii", "replace")
        verdict = judge(words) or verdict
    if not verdict and before in (b"?", b"&") and name.lower() == "key":
        verdict = "secret"
    return verdict, start


def _start_of_name(data: bytes, position: int) -> int:
    before = data[max(position - _MOST_NAME_BYTES, 0) : position]
    start = position - len(before) + len(before.rstrip(_NAME_BYTES))
    if start < position and data[start - 1 : start] == b"\\":  # in quoted text, the name may follow a `\n`
        start = min(start + (5 if data[start : start + 1] == b"u" else 1), position)
    return start


def _value(data: bytes, found: re.Match[bytes], name_start: int, end: int) -> Interval | None:
    """Return where the value stands; None for what is none, such as the name of a type or a call."""
    position = found.end()
    compared = _COMPARED.match(data, position)
    if compared is not None:
        position = compared.end()
    opening = _OPENING.match(data, position)
    if opening is not None:
        if opening[2] not in found[0] and data.endswith(opening[0], 0, name_start):
            return None  # what opened before the name ends here: "Password: "
        value = opening.end(), closing(data, opening.end(), opening[0], end)
        return value if value[1] > value[0] else None
    if compared is not None:
        return None  # with what stands elsewhere in the program
    if data[position : position + 1] in (b"{", b"["):
        return _tree(data, position, end)
    header = _COOKIES if found[1].startswith(b"cookie") else _LINE if found[1].startswith(b"authoriz") else None
    if header is not None:
        start = header.match(
            data, position, min(end, position + _LONGEST_BARE)
        )  # else every name reads all of the rest
        if start is None or _is_prose(start[0]):
            return None
        line = header.match(data, position, end)
        return line.span() if line is not None else None
    bare = _BARE.match(data, position, min(end, position + _LONGEST_BARE))
    if bare is None or not _is_value(bare[0], found[0], data[name_start : found.end(1)]):
        return None
    if data[bare.end() : bare.end() + 1] in (b"(", b"["):  # code that gets the value from somewhere
        return None
    whole = _BARE.match(data, position, end)
    return whole.span() if whole is not None else None


def _is_value(value: bytes, named: bytes, name: bytes) -> bool:
    """Tell a value from the next word of a sentence or of a program."""
    if names_nothing(value, name):
        return False
    plain = value.rstrip(b".!?:")
    if b"=" in named:
        return True
    return len(plain) >= _LONGEST_WORD or (len(plain) >= _SHORTEST_SECRET and not plain.isalpha())


def names_nothing(value: bytes, name: bytes) -> bool:
    """Return whether what stands behind a name only says what would stand there: a type, a variable, the name again."""
    plain = value.rstrip(b".!?:").lower()
    return not plain or plain in _NO_VALUES or plain == name.lower() or plain.startswith(_NO_BEGINNINGS)


def _is_prose(line: bytes) -> bool:
    """Tell a sentence from what stands in a header: words of letters only, and no scheme in front."""
    words = line.split()
    return (
        len(words) >= _PROSE_WORDS
        and not words[0].lower().startswith(_SCHEMES)
        and all(len(word) <= _LONGEST_WORD and word.strip(b",.;:!?()").isalpha() for word in words)
    )


def closing(data: bytes, start: int, quote: bytes, end: int) -> int:
    """Return where a quoted value ends: at the same quote, as often escaped; with the text if there is none.

    Where texts are quoted in texts, a quote within the value has more backslashes before it: twice as many, and one.
    """
    position = start
    escapes = len(quote) - 1
    for _ in range(_MOST_ESCAPES):
        found = data.find(quote[-1:], position, end)
        if found < 0:
            return end
        before = data[max(found - _MOST_BACKSLASHES, position) : found]
        if (len(before) - len(before.rstrip(b"\\"))) % (2 * escapes + 2) == escapes:
            return found - escapes
        position = found + 1
    return end


def _tree(data: bytes, position: int, end: int) -> Interval | None:
    """Return where an object or a list ends; None for a placeholder of a template and for the schema of a parameter."""
    if data.startswith(b"{{", position):
        return None
    stop = _end_of_tree(data, position, end)
    is_schema = _SCHEMA.match(data, position, stop) and not _SCHEMA_VALUE.search(data, position, stop)
    return None if is_schema else (position, stop)


def _end_of_tree(data: bytes, start: int, end: int) -> int:
    """Return where the brackets that open at `start` are closed again; the end of the text if they never are."""
    depth = 0
    for count, token in enumerate(_TREE.finditer(data, start, end)):
        if count > _MOST_TOKENS:
            break
        depth += 1 if token[0] in (b"{", b"[") else -1 if token[0] in (b"}", b"]") else 0
        if depth == 0:
            return token.end()
    return end
