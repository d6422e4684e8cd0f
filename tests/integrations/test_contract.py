"""Which versions of a library are supported."""

from __future__ import annotations

import pytest

from callspan.integrations.contract import Integration, Versions, numbers_of
from callspan.integrations.openai.attach import OPENAI

VERSIONS = Versions("library", oldest=(1, 40), newest=(3,))


@pytest.mark.parametrize(
    ("version", "numbers"),
    [("1.40.0", (1, 40, 0)), ("3", (3,)), ("4.0.0b1", (4, 0, 0)), ("2.1.dev3+g1234", (2, 1)), ("", ()), ("?", ())],
)
def test_numbers(version, numbers):
    assert numbers_of(version) == numbers


@pytest.mark.parametrize("version", ["1.40", "1.40.0", "1.109.1", "3.54.0", "9", "?"])
def test_versions_that_can_be_watched(version):
    assert VERSIONS.complaint(version) == ""


def test_a_version_that_is_too_old():
    assert VERSIONS.complaint("1.39.9") == "library 1.39.9 is too old: 1.40 and later are supported"


def test_a_version_that_is_newer_than_tested():
    assert VERSIONS.caution("3.99.1") == ""
    assert VERSIONS.caution("?") == ""
    assert VERSIONS.caution("4.0.0") == "newer than tested"


def test_ours_keep_the_contract():
    assert isinstance(OPENAI, Integration)
