"""Prints JSON, whatever the encoding of stdout: on Windows, a redirected one seldom has all characters."""

from __future__ import annotations

import json
import re
import sys
from typing import Final

_BEYOND_ASCII: Final = re.compile(r"[^\x00-\x7f]")


def print_json(text: str) -> None:
    """Print a JSON text and end the line; characters that stdout has not are escaped, as JSON admits it."""
    try:
        sys.stdout.write(f"{text}\n")
    except UnicodeEncodeError:  # raised before anything was written
        escaped = _BEYOND_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
        sys.stdout.write(f"{escaped}\n")
