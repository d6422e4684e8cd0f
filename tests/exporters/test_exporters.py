from __future__ import annotations

import pytest

from callspan import exporters


def test_exporters_are_loaded_when_they_are_asked_for():
    for name in exporters.__all__:
        assert getattr(exporters, name).__name__ == name


def test_what_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'callspan\.exporters' has no attribute 'Nope'"):
        _ = exporters.Nope
