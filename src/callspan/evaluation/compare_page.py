"""Two answers to each input side by side, as one page that needs no network."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from callspan.drawing.script import for_script


def compare_page(told: dict[str, Any]) -> str:
    """Return the page for what `callspan compare --json` prints: `sides`, `scores` and `rows`."""
    template = files("callspan.evaluation").joinpath("compare.html").read_text("utf-8")
    return template.replace("__DATA__", for_script(told))
