"""What people read of a record."""

from __future__ import annotations

import pytest

from callspan.reading import load
from callspan.reading.texts import text_of
from span_files import foreign, write_requests


@pytest.mark.parametrize(
    ("told", "side", "shown"),
    [
        ({"callspan.stream.chunks": 3, "output.value": '["So", "", "ck"]'}, "out", "Sock"),
        ({"output.value": '["So", "ck"]'}, "out", '["So", "ck"]'),
        ({"callspan.stream.chunks": 2, "output.value": '["So", 1]'}, "out", '["So", 1]'),
        ({"callspan.stream.chunks": 0, "output.value": "[]"}, "out", "[]"),
        (
            {
                "openinference.span.kind": "EMBEDDING",
                "embedding.embeddings.0.embedding.text": "blue",
                "embedding.embeddings.1.embedding.text": "socks",
            },
            "in",
            "blue\nsocks",
        ),
    ],
)
def test_what_went_in_and_came_out_as_one_text(tmp_path, told, side, shown):
    (record,) = load(write_requests(tmp_path / "foreign.jsonl", foreign(told)))

    assert text_of(record, side) == shown
