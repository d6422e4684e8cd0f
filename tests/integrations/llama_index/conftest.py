"""For every test: LlamaIndex is watched, it swallows no fault of ours, nothing stays open, all is as before."""

from __future__ import annotations

import gc
from importlib.util import find_spec

import pytest

import callspan
from callspan.guard import guard
from callspan.testing import capture

collect_ignore_glob = [] if find_spec("llama_index") else ["test_*.py"]  # the sessions without LlamaIndex


def pytest_collection_modifyitems(items):
    for item in items:
        if "llama_index" in item.path.parts:  # what it does that is deprecated is not ours to mend
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning"))


@pytest.fixture(autouse=True)
def watched():
    from callspan.capture.generators import lazy_bodies
    from callspan.integrations.llama_index.attach import LLAMA_INDEX
    from callspan.recording.otel import get_context

    before = get_context()
    handle = callspan.instrument("llama-index")
    yield handle
    handle.undo()
    gc.collect()
    assert dict(guard.counts) == {}  # LlamaIndex swallows what handlers raise
    left = LLAMA_INDEX.tracker.frames.ids()
    for one in left:
        LLAMA_INDEX.tracker.frames.pop(one)
    assert left == []
    assert not lazy_bodies
    assert get_context() is before


@pytest.fixture
def spans():
    with capture() as spans:
        yield spans
