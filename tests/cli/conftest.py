from __future__ import annotations

import time

import pytest


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch):
    """A terminal of 80 columns in UTC that says nothing of colours."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TZ", "UTC")
    if hasattr(time, "tzset"):
        time.tzset()
    yield
    monkeypatch.undo()
    if hasattr(time, "tzset"):
        time.tzset()
