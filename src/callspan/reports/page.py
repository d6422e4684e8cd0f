"""A report as one page of HTML that needs no network: data, style and script in one file."""

from __future__ import annotations

import html
from importlib.resources import files
from typing import Any

from callspan.drawing.script import for_script


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
