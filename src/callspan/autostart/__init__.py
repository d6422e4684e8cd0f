"""Recording without a line of code: `callspan run` and `opentelemetry-instrument` lead here.

`site/` is the folder that `callspan run` puts on the path of the programs it starts: Python imports the module
`sitecustomize` that it finds first, before the program.
"""

from __future__ import annotations


def start() -> None:
    """Configure from the environment and watch every supported library that is installed; never raises.

    A library is patched when the program imports it, so one that is never used costs nothing.
    """
    from callspan.guard import guard  # noqa: PLC0415 - in every Python program: only what is needed, and late
    from callspan.integrations.registry import instrument  # noqa: PLC0415
    from callspan.runtime import configure_from_environment  # noqa: PLC0415

    try:
        configure_from_environment()
        instrument()
    except Exception as error:  # noqa: BLE001 - it is the program that is to run, with us or without
        guard.note("starting callspan", error)
