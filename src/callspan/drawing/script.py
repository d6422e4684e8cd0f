"""Data for the scripts of pages that need no network."""

from __future__ import annotations

import json
from typing import Any


def for_script(data: Any) -> str:
    r"""Write data as JSON in which nothing can end the script element it stands in.

    >>> for_script({"a": "</script>"})
    '{"a":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "replace").decode()  # half characters cannot be written to a file
