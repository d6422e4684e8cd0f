"""What callspan raises, and when.

CallspanError
├── ConfigurationError   an argument of `configure()`, an exporter or a decorator is wrong; says which, and the fix
├── PromptError          a template cannot be rendered: a variable is missing, unknown, or the braces do not match
└── ReadError            a file or folder of spans is missing or cannot be opened; bad lines inside are counted instead

Nothing else leaves callspan: while user code runs, faults of callspan are counted and logged, never raised.
"""

from __future__ import annotations


class CallspanError(Exception):
    """Anything callspan raises on purpose."""


class ConfigurationError(CallspanError, ValueError):
    """A setting is wrong. The message names the field, what was given (its class, never its value) and the fix."""

    def __init__(self, field: str, given: object, fix: str) -> None:
        """Compose the message; `given` is only ever named by its class, since it may be a secret."""
        super().__init__(f"{field}: got {type(given).__name__}; {fix}")
        self.field = field


class PromptError(CallspanError, ValueError):
    """A prompt template and its variables do not fit together."""


class ReadError(CallspanError, OSError):
    """A file or folder cannot be read. `errno`, `strerror` and `filename` say why and which, as in every `OSError`."""
