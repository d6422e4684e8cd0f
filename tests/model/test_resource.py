from __future__ import annotations

import dataclasses

import pytest

from callspan.model.resource import Resource, describe
from callspan.version import VERSION


def test_the_sdk_names_itself():
    assert describe(None).attributes == {
        "service.name": "unknown_service:python",
        "telemetry.sdk.name": "callspan",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": VERSION,
    }
    assert describe("").service_name == "unknown_service:python"


def test_what_wins():
    extra = {"service.name": "from extra", "telemetry.sdk.name": "other", "team": "search", "tags": ["a"]}
    assert describe(None, extra).service_name == "from extra"
    attributes = describe("shop-bot", extra).attributes
    assert attributes["service.name"] == "shop-bot"
    assert attributes["telemetry.sdk.name"] == "other"
    assert (attributes["team"], attributes["tags"]) == ("search", ["a"])
    assert extra["service.name"] == "from extra"


def test_a_resource_without_a_name():
    assert Resource().service_name == "unknown_service"
    assert Resource({"service.name": 5}).service_name == "5"


def test_a_resource_stays_as_it_is():
    with pytest.raises(dataclasses.FrozenInstanceError):
        describe("a").attributes = {}  # type: ignore[misc]
