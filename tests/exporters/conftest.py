"""For every test of an exporter: nothing of the machine's environment, and nothing said before."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import pytest

from callspan import environment
from callspan.guard import guard
from certificates import Authority


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in os.environ:
        if name.lower().endswith("_proxy") or name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    guard.forget()
    environment._warned.clear()


@pytest.fixture
def said(caplog) -> Callable[[], list[str]]:
    """Return what callspan logged so far, at any level."""
    caplog.set_level(logging.DEBUG)
    return lambda: [record.getMessage() for record in caplog.records if record.name == "callspan"]


@pytest.fixture(scope="session")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))
