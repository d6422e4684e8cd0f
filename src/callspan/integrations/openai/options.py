"""What users may choose: the keywords of `instrument("openai", …)`."""

from __future__ import annotations

from typing import Final

from callspan.integrations.contract import Options

OPTIONS: Final = Options(
    vectors=("full", "hash", "none"),
    stream_usage=("asked", "inject"),
    other_requests=(False, True),
)
"""`vectors`: what is kept of embeddings. `stream_usage`: whether the token counts of a stream are recorded only where
the user asked for them, or asked for by us too. `other_requests`: whether requests that ask no model become spans.
"""
