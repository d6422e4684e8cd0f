"""The switch that every wrapper looks at first: which recorder is on, if any.

Without `configure()` it is off, so a library may decorate its functions and nobody's disk is written to. It imports
nothing, so that a decorated module costs no more than an import of callspan itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from callspan.recording.recorder import Recorder
    from callspan.recording.sites import Site

    # Both return a `capture.call.Call`, or None where nothing is recorded; naming it here would close a circle.
    OpenBlock = Callable[..., Any]  # (site, given, around); see openers.block_opener
    OpenCall = Callable[[Site, tuple[Any, ...], dict[str, Any]], Any]

STREAM_BYTES: Final = 262_144 + 4096
"""How much of a stream is kept: the limit of a text, and the margin that redaction needs beyond it."""


class Switch:
    """Holds what is on: ways to open calls of decorated functions and blocks, and the recorder; None when off.

    `carries_conversation` says whether headers carry the conversation where nobody says otherwise. `deliver` delivers
    what has ended, for who knows that the process is about to end, in the time that an exit has; None where nothing is.
    """

    __slots__ = ("carries_conversation", "deliver", "open_block", "open_call", "recorder")

    def __init__(self) -> None:
        """Be off."""
        self.carries_conversation = False
        self.deliver: Callable[[], object] | None = None
        self.open_block: OpenBlock | None = None
        self.open_call: OpenCall | None = None
        self.recorder: Recorder | None = None


switch: Final = Switch()
