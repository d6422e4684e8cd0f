"""A report as one page of HTML that needs no network: data, style and script in one file."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from typing import Any


def page_of(told: dict[str, Any], title: str) -> str:
    """Return the page for the figures and samples of a report."""
    folder = files("callspan.reports")
    template = folder.joinpath("page.html").read_text("utf-8")
    return (
        template.replace("__TITLE__", html.escape(title))
        .replace("__STYLE__", folder.joinpath("page.css").read_text("utf-8"))
        .replace("__SCRIPT__", folder.joinpath("page.js").read_text("utf-8"))
        .replace("__DATA__", for_script(told))
    )


def for_script(data: Any) -> str:
    r"""Write data as JSON in which nothing can end the script element it stands in.

    >>> for_script({"a": "</script>"})
    '{"a":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "replace").decode()  # half characters cannot be written to a file
