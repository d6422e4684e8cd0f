"""What `opentelemetry-instrument` finds among the entry points: it looks like any other instrumentor."""

from __future__ import annotations

from typing import Any

from callspan.autostart import start


class CallspanInstrumentor:
    """Switches callspan on and off. OpenTelemetry's own base class is not needed, and may not be installed."""

    def instrument(self, **_: Any) -> None:
        """Configure from the environment and watch every supported library that is installed."""
        start()

    def uninstrument(self, **_: Any) -> None:
        """Stop to watch; what was recorded is still delivered."""
        from callspan.integrations.registry import uninstrument  # noqa: PLC0415 - on first use

        uninstrument()

    def instrumentation_dependencies(self) -> tuple[str, ...]:
        """Return the libraries that have to be there: none."""
        return ()
