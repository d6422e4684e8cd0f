"""The pytest plugin: a fixture `callspan_spans` with the spans that a test made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from callspan.testing import CapturedSpans


@pytest.fixture
def callspan_spans() -> Iterator[CapturedSpans]:
    """Record the test's spans into a list, with the same IDs and times in every run."""
    from callspan.testing import capture  # noqa: PLC0415 - only for tests that ask for it

    with capture(deterministic=True) as spans:
        yield spans
