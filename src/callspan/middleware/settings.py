"""What both kinds of middleware can be told."""

from __future__ import annotations

import re
from typing import Any

from callspan.errors import ConfigurationError


def header_name(given: Any) -> str | None:
    """Return the name of a header in small letters. Raises `ConfigurationError` for what no header is called."""
    if given is None:
        return None
    if not isinstance(given, str) or not re.fullmatch(r"[\w!#$%&'*+.^`|~-]{1,128}", given, re.ASCII):
        raise ConfigurationError("conversation_header", given, 'give the name of a header, as in "x-conversation-id"')
    return given.lower()
