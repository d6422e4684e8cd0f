"""What is the same for every span of a process: the service, the SDK, and what the environment says of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from callspan.version import VERSION

Attributes = dict[str, "str | bool | int | float | list[str]"]


@dataclass(frozen=True, slots=True)
class Resource:
    """Attributes of the process, sent once per batch. `service.name` is always there."""

    attributes: Attributes = field(default_factory=dict)

    @property
    def service_name(self) -> str:
        """The service's name as the backend will show it."""
        return str(self.attributes.get("service.name", "unknown_service"))


def describe(service_name: str | None, extra: Attributes | None = None) -> Resource:
    """Build the resource; `extra` wins over the SDK's own facts, `service_name` over everything.

    >>> describe("shop-bot").service_name
    'shop-bot'
    """
    attributes: Attributes = {
        "service.name": "unknown_service:python",
        "telemetry.sdk.name": "callspan",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.version": VERSION,
    }
    attributes.update(extra or {})
    if service_name:
        attributes["service.name"] = service_name
    return Resource(attributes)
