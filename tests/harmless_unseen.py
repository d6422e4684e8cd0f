"""Values that are no secrets, of kinds that the rules were not written with: a second measure of false alarms.

`harmless_unseen.txt` was written in one go, before the rules met it: prose in many languages, chats, code, logs, URLs,
tables, numbers of products. A rule that misfires on it is mended; what it holds does not change for that.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final


def _written() -> Iterator[str]:
    """Yield the values of the file: below `%%` one, below `%%lines` one a line."""
    text = Path(__file__).with_suffix(".txt").read_text("utf-8")
    for block in text.split("%%")[1:]:
        head, _, body = block.partition("\n")
        yield from body.splitlines() if head == "lines" else [body.removesuffix("\n")]


def _drawn() -> Iterator[str]:
    dice = random.Random(1311)
    letters = string.ascii_uppercase + string.digits

    def some(count: int, alphabet: str = letters) -> str:
        return "".join(dice.choices(alphabet, k=count))

    for _ in range(10):
        yield str(uuid.UUID(int=dice.getrandbits(128), version=4)).upper()
        yield f"{{{uuid.UUID(int=dice.getrandbits(128))}}}"
        yield hashlib.sha512(dice.randbytes(9)).hexdigest()
        yield hashlib.blake2b(dice.randbytes(9), digest_size=20).hexdigest()
        yield base64.b32encode(dice.randbytes(20)).decode()
        yield base64.urlsafe_b64encode(dice.randbytes(16)).decode().rstrip("=")
        yield f"{some(3)}-{some(5)}-{some(5)}"
        yield f"SN: {some(12)} PN: {some(8)}-{some(3)}"
        yield f"https://images.example.org/{some(2)}/{some(22, string.ascii_letters + string.digits)}.webp"
        yield f"/static/chunks/{dice.randint(100, 999)}-{some(16, '0123456789abcdef')}.js"
        yield f"{dice.randint(1, 28)}/{dice.randint(1, 12)}/2025,{some(6)},{dice.random() * 100:.2f},{some(2)}"
        yield json.dumps({"id": some(20, string.ascii_letters), "score": dice.random(), "next": some(32)})
        yield f"req={some(20)} user={dice.randint(1, 999)} took={dice.randint(1, 999)}ms cache=hit"
        yield ",".join(f"{dice.gauss(0, 1):.6f}" for _ in range(12))


UNSEEN: Final = [*_written(), *_drawn()]
