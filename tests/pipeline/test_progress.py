from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from callspan.pipeline.progress import Progress


def watched() -> tuple[Any, Any, Progress]:
    lanes, buffer = SimpleNamespace(moved=0, is_in_trouble=False), SimpleNamespace(taken=0)
    progress: Any = Progress(lanes, buffer, 100.0)  # type: ignore[arg-type]
    return lanes, buffer, progress


def test_what_is_settled_and_what_is_prepared_are_progress_and_so_is_an_import():
    lanes, buffer, progress = watched()
    assert progress.stalled_s(101.0, is_loading=False) == 1.0
    lanes.moved = 5
    assert progress.stalled_s(102.0, is_loading=False) == 0.0
    buffer.taken = 5
    assert progress.stalled_s(103.0, is_loading=False) == 0.0
    assert progress.stalled_s(104.0, is_loading=True) == 0.0
    assert progress.stalled_s(105.5, is_loading=False) == 1.5


def test_getting_ready_for_an_attempt_that_failed_was_no_progress():
    lanes, buffer, progress = watched()
    lanes.moved = 1
    assert progress.stalled_s(101.0, is_loading=False) == 0.0
    buffer.taken = 512
    assert progress.stalled_s(102.0, is_loading=True) == 0.0
    lanes.is_in_trouble = True
    assert progress.stalled_s(102.5, is_loading=False) == 1.5
    buffer.taken = 1024
    assert progress.stalled_s(103.0, is_loading=True) == 2.0
    lanes.moved = 2
    assert progress.stalled_s(104.0, is_loading=False) == 0.0
