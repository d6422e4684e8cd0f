from __future__ import annotations

from pathlib import Path

import pytest

from callspan import environment
from callspan.errors import ConfigurationError
from callspan.guard import guard
from callspan.pipeline.spool.settings import SpoolSettings, read


@pytest.fixture(autouse=True)
def warned_anew():
    environment._warned.clear()
    guard.forget()
    yield
    guard.forget()


def test_without_a_folder_there_is_no_spool():
    assert read(environ={}) is None
    assert read(environ={"CALLSPAN_SPOOL_SYNC": "batch"}) is None


def test_the_defaults(tmp_path):
    assert read(tmp_path / "spool", environ={}) == SpoolSettings(tmp_path / "spool", "never", 268_435_456, 604_800.0)
    assert list(tmp_path.iterdir()) == []


def test_arguments_win_over_the_environment(tmp_path):
    environ = {
        "CALLSPAN_SPOOL_DIR": str(tmp_path / "one"),
        "CALLSPAN_SPOOL_SYNC": "batch",
        "CALLSPAN_SPOOL_MAX_BYTES": "2000000",
        "CALLSPAN_SPOOL_MAX_AGE_S": "3600",
    }
    assert read(environ=environ) == SpoolSettings(tmp_path / "one", "batch", 2_000_000, 3600.0)
    assert read(str(tmp_path / "two"), "never", 3_000_000, 60, environ) == SpoolSettings(
        tmp_path / "two", "never", 3_000_000, 60.0
    )


def test_a_relative_path_is_that_of_the_moment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = read(Path("spool"), environ={})
    assert found is not None
    assert found.spool_dir == tmp_path / "spool"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spool_dir": 7}, "spool_dir: got int; give the path of a folder"),
        ({"spool_dir": " "}, "spool_dir: got str; give the path of a folder"),
        ({"spool_dir": b"spool"}, "spool_dir: got bytes; give the path of a folder"),
        ({"spool_dir": "a\0b"}, "cannot be used (ValueError)"),
        ({"sync": "always"}, 'spool_sync: got str; give "never" or "batch"'),
        ({"sync": 1}, 'spool_sync: got int; give "never" or "batch"'),
        ({"max_bytes": 1000}, "spool_max_bytes: got int; give a number from 1048576 to 1125899906842624"),
        ({"max_bytes": "2000000"}, "spool_max_bytes: got str"),
        ({"max_bytes": True}, "spool_max_bytes: got bool"),
        ({"max_age_s": 0}, "spool_max_age_s: got int; give a number from 1 to 316224000"),
        ({"max_age_s": float("nan")}, "spool_max_age_s: got float"),
        ({"max_age_s": [1]}, "spool_max_age_s: got list"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ConfigurationError) as caught:
        read(**arguments, environ={})
    assert message in str(caught.value)


def test_a_folder_that_cannot_be_used_is_named_with_what_to_do(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for name in ("file", "link", "open", "file/spool"):
        with pytest.raises(ConfigurationError) as caught:
            read(tmp_path / name, environ={})
        assert str(tmp_path / name) in str(caught.value) or str(tmp_path / "file") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("CALLSPAN_SPOOL_SYNC", "sometimes", "never or batch"),
        ("CALLSPAN_SPOOL_MAX_BYTES", "lots", "a number from 1048576 to 1125899906842624"),
        ("CALLSPAN_SPOOL_MAX_BYTES", "-1", "a number from 1048576 to 1125899906842624"),
        ("CALLSPAN_SPOOL_MAX_AGE_S", "nan", "a number from 1 to 316224000"),
    ],
)
def test_wrong_variables_are_warned_of_and_ignored(tmp_path, caplog, name, value, expected):
    found = read(environ={"CALLSPAN_SPOOL_DIR": str(tmp_path / "spool"), name: value})
    assert found == SpoolSettings(tmp_path / "spool")
    assert f"environment variable {name} is ignored: it needs {expected}" in caplog.text


def test_a_folder_of_the_environment_that_cannot_be_used_is_no_reason_to_fail(tmp_path, caplog):
    (tmp_path / "file").touch()
    assert read(environ={"CALLSPAN_SPOOL_DIR": str(tmp_path / "file")}) is None
    assert "environment variable CALLSPAN_SPOOL_DIR is ignored: it needs a folder that is yours" in caplog.text
