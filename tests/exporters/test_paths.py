from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from callspan.errors import ConfigurationError
from callspan.exporters import paths
from callspan.exporters.paths import checked, is_at, is_private_folder, make_folder, open_to_append

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes, links and pipes of POSIX")


@pytest.fixture(params=[0o022, 0o000, 0o077, 0o777])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)


def refused(path: Path) -> str:
    """Return why `path` is refused when configured; it is refused when opened, too."""
    with pytest.raises(ConfigurationError) as raised:
        checked(path)
    assert raised.value.field == "path"
    with pytest.raises(OSError):
        os.close(open_to_append(path))
    return str(raised.value)


# -- what is accepted --------------------------------------------------------------------------------------------------


def test_a_path_is_made_absolute_and_nothing_is_created(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert checked(Path("a/b/spans.jsonl")) == tmp_path / "a" / "b" / "spans.jsonl"
    assert list(tmp_path.iterdir()) == []


def test_new_files_and_folders_are_private_whatever_the_umask(tmp_path, umask):
    path = tmp_path / "a" / "b" / "spans.jsonl"
    os.close(open_to_append(path))
    assert mode_of(path) == 0o600
    assert mode_of(tmp_path / "a") == mode_of(tmp_path / "a" / "b") == 0o700


def test_the_mode_of_a_file_that_was_there_is_left(tmp_path):
    path = tmp_path / "spans.jsonl"
    path.touch()
    path.chmod(0o640)
    assert checked(path) == path
    os.close(open_to_append(path))
    assert mode_of(path) == 0o640


def test_our_own_folder_is_kept_out_of_version_control(tmp_path):
    make_folder(tmp_path / ".callspan")
    make_folder(tmp_path / "other")
    make_folder(tmp_path / ".callspan")
    assert (tmp_path / ".callspan" / ".gitignore").read_text() == "*\n"
    assert not list((tmp_path / "other").iterdir())


def test_a_folder_is_there_even_if_gitignore_cannot_be_written(tmp_path, monkeypatch):
    def fail(*_, **__) -> int:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", fail)
    make_folder(tmp_path / ".callspan")
    assert (tmp_path / ".callspan").is_dir()


def test_another_process_may_make_the_folder_first(tmp_path, monkeypatch):
    real = Path.mkdir

    def late(path, *arguments, **options) -> None:
        real(path, *arguments, **options)
        raise FileExistsError

    monkeypatch.setattr(Path, "mkdir", late)
    make_folder(tmp_path / "a")
    assert (tmp_path / "a").is_dir()


def test_another_process_may_make_the_file_first(tmp_path, monkeypatch):
    path = tmp_path / "spans.jsonl"
    real = os.open

    def late(target, flags, *arguments, **options) -> int:
        if flags & os.O_EXCL:
            path.touch(mode=0o600)
        return real(target, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", late)
    os.close(open_to_append(path))


def test_a_file_that_comes_and_goes_is_given_up(tmp_path, monkeypatch):
    real = os.open

    def never(target, flags, *arguments, **options) -> int:
        if target == "spans.jsonl":
            raise FileExistsError if flags & os.O_EXCL else FileNotFoundError
        return real(target, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", never)
    with pytest.raises(OSError, match="comes and goes"):
        open_to_append(tmp_path / "spans.jsonl")


def test_a_link_directly_below_the_root_is_the_systems(tmp_path, monkeypatch):
    (tmp_path / "private").mkdir()
    link = tmp_path / "tmp"
    link.symlink_to(tmp_path / "private")
    monkeypatch.setattr(Path, "anchor", str(tmp_path))  # as if it were the root
    assert checked(link / "spans.jsonl") == tmp_path / "private" / "spans.jsonl"


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_folder_is_refused(tmp_path):
    assert refused(tmp_path) == f"path: got PosixPath; {str(tmp_path)!r} is not a regular file; give the path of a file"


def test_a_pipe_is_refused_and_does_not_make_us_wait(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert "is not a regular file" in refused(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert "is not a regular file" in refused(path)
    finally:
        os.close(reader)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full"])
def test_a_device_is_refused(device):
    if not Path(device).exists():
        pytest.skip(f"this system has no {device}")
    assert "is not a regular file" in refused(Path(device))


@pytest.mark.parametrize("target", ["victim", "nowhere"])
def test_a_link_to_a_file_is_refused(tmp_path, target):
    (tmp_path / "victim").write_text("precious")
    link = tmp_path / "spans.jsonl"
    link.symlink_to(tmp_path / target)
    assert "is a symbolic link; give the path that it leads to" in refused(link)
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["new.jsonl", "old.jsonl"])
@pytest.mark.parametrize("target", ["folder", "nowhere"])
def test_a_link_to_the_folder_is_refused(tmp_path, target, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old.jsonl").touch()
    (tmp_path / "link").symlink_to(tmp_path / target)
    assert "symbolic link" in refused(tmp_path / "link" / name)
    assert not (tmp_path / "folder" / "new.jsonl").exists()


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "cannot be used (NotADirectoryError)" in refused(tmp_path / "file" / "spans.jsonl")


def test_a_file_above_the_folder_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(paths, "_lstat", lambda _: None)  # it was put there in between
    with pytest.raises(ConfigurationError, match="is no folder; choose another path"):
        checked(tmp_path / "file" / "spans.jsonl")


@pytest.mark.parametrize("name", ["a\0b", "x" * 4096])
def test_an_impossible_name_is_refused(tmp_path, name):
    with pytest.raises(ConfigurationError, match="cannot be used"):
        checked(tmp_path / name)


def test_a_second_name_is_refused(tmp_path):
    (tmp_path / "victim").write_text("precious\n")
    (tmp_path / "spans.jsonl").hardlink_to(tmp_path / "victim")
    assert "has a second name (a hard link); choose another file" in refused(tmp_path / "spans.jsonl")


def test_a_file_of_another_user_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "spans.jsonl"
    path.touch()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert "belongs to another user; choose another file" in refused(path)


def test_what_permissions_forbid_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "spans.jsonl"
    monkeypatch.setattr(os, "access", lambda *_: False)  # the superuser is not kept by permissions
    with pytest.raises(ConfigurationError) as raised:
        checked(path)
    fix = "cannot be written; choose another folder or change its permissions"
    assert str(raised.value) == f"path: got PosixPath; {str(tmp_path)!r} {fix}"
    path.touch()
    with pytest.raises(ConfigurationError) as raised:
        checked(path)
    assert str(raised.value) == f"path: got PosixPath; {str(path)!r} cannot be read and written; change its permissions"


def test_a_deleted_working_directory_is_refused(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigurationError, match="cannot be used"):
        checked(Path("spans.jsonl"))
    monkeypatch.chdir(tmp_path)


# -- descriptors and identities ----------------------------------------------------------------------------------------


def test_an_open_file_is_still_at_its_path_or_not(tmp_path):
    path = tmp_path / "spans.jsonl"
    descriptor = open_to_append(path)
    try:
        assert is_at(path, os.fstat(descriptor))
        path.rename(tmp_path / "moved")
        assert not is_at(path, os.fstat(descriptor))
        path.touch()
        assert not is_at(path, os.fstat(descriptor))
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("by_name", [False, True])
def test_the_file_never_gets_the_number_of_a_standard_stream(tmp_path, monkeypatch, by_name):
    if by_name:  # nothing else is opened before it
        monkeypatch.setattr(paths, "_HAS_FOLDERS", False)
    kept = os.dup(0)
    try:
        os.close(0)
        descriptor = open_to_append(tmp_path / "spans.jsonl")
        assert descriptor > 2
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_without_folder_descriptors_the_path_is_opened_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "_HAS_FOLDERS", False)
    monkeypatch.delattr(os, "fchmod")
    path = tmp_path / "a" / "spans.jsonl"
    os.close(open_to_append(path))
    assert path.exists()


def test_a_private_folder_is_ours_alone(tmp_path, monkeypatch):
    folder = tmp_path / "callspan-0"
    assert is_private_folder(folder)
    folder.mkdir(mode=0o700)
    assert is_private_folder(folder)
    folder.chmod(0o770)
    assert not is_private_folder(folder)
    folder.chmod(0o700)
    (tmp_path / "link").symlink_to(folder)
    assert not is_private_folder(tmp_path / "link")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert not is_private_folder(folder)
