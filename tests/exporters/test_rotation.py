from __future__ import annotations

import pytest

from callspan.exporters.rotation import rotate


def contents(folder) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_files_move_up_and_the_oldest_goes(tmp_path):
    path = tmp_path / "spans.jsonl"
    for text in "abcde":
        path.write_text(text)
        rotate(path, 3)
    assert contents(tmp_path) == {"spans.jsonl.1": "e", "spans.jsonl.2": "d", "spans.jsonl.3": "c"}


def test_without_backups_the_full_file_goes(tmp_path):
    path = tmp_path / "spans.jsonl"
    path.write_text("a")
    rotate(path, 0)
    assert contents(tmp_path) == {}
    rotate(path, 0)


def test_a_file_that_is_gone_is_not_missed(tmp_path):
    (tmp_path / "spans.jsonl.1").write_text("a")
    rotate(tmp_path / "spans.jsonl", 2)
    assert contents(tmp_path) == {"spans.jsonl.2": "a"}


def test_a_folder_in_the_way_is_an_error(tmp_path):
    (tmp_path / "spans.jsonl").write_text("a")
    (tmp_path / "spans.jsonl.1").mkdir()
    with pytest.raises(OSError):
        rotate(tmp_path / "spans.jsonl", 1)
