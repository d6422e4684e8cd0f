"""The settings of the spool: argument, then `CALLSPAN_SPOOL_*`, then the default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from callspan.environment import Environment
from callspan.errors import ConfigurationError
from callspan.exporters.paths import checked_folder

Sync = Literal["never", "batch"]

MAX_BYTES: Final = 256 * 1_048_576
MAX_AGE_S: Final = 7 * 86_400.0
_BYTES: Final = (1_048_576, 2**50)
_AGE_S: Final = (1, 10 * 366 * 86_400)


@dataclass(frozen=True)
class SpoolSettings:
    """Where the spool is, how large and how old it may become, and whether it waits for the disk.

    `max_bytes` is for all processes that share the folder, and each has the same share of it. `max_age_s` counts from
    the last change of a file. `sync` is "never" where the end of the process must lose nothing, "batch" where a power
    cut must not either.
    """

    spool_dir: Path
    sync: Sync = "never"
    max_bytes: int = MAX_BYTES
    max_age_s: float = MAX_AGE_S


def read(
    spool_dir: str | os.PathLike[str] | None = None,
    sync: str | None = None,
    max_bytes: int | None = None,
    max_age_s: float | None = None,
    environ: Mapping[str, str] = os.environ,
) -> SpoolSettings | None:
    """Check the arguments, even without a folder, and fill up from the environment; None without a folder.

    Raises `ConfigurationError` for a wrong argument; nothing is created.
    """
    env = Environment(environ)
    folder = env.read("CALLSPAN_SPOOL_DIR", _as_folder) if spool_dir is None else _folder(spool_dir)
    chosen = _sync(sync, env)
    size = int(_number("spool_max_bytes", max_bytes, *_BYTES, env, MAX_BYTES))
    age_s = _number("spool_max_age_s", max_age_s, *_AGE_S, env, MAX_AGE_S)
    return SpoolSettings(folder, chosen, size, age_s) if folder is not None else None


def _folder(given: Any) -> Path:
    path = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(path, str) or not path.strip():
        raise ConfigurationError("spool_dir", given, "give the path of a folder")
    return checked_folder(Path(path), "spool_dir")


def _as_folder(raw: str) -> Path:
    try:
        return checked_folder(Path(raw), "CALLSPAN_SPOOL_DIR")
    except ConfigurationError:
        raise ValueError("a folder that is yours, can be written, is no link, and nobody else can write to") from None


def _sync(value: Any, env: Environment) -> Sync:
    if value is None:
        return env.first("never", "CALLSPAN_SPOOL_SYNC", _as_sync)
    try:
        return _as_sync(value)
    except (ValueError, AttributeError):
        raise ConfigurationError("spool_sync", value, 'give "never" or "batch"') from None


def _as_sync(raw: str) -> Sync:
    if raw.lower() == "never":
        return "never"
    if raw.lower() == "batch":
        return "batch"
    raise ValueError("never or batch")


def _number(name: str, value: Any, least: float, most: float, env: Environment, default: float) -> float:
    expected = f"a number from {least} to {most}"

    def parse(raw: Any) -> float:
        number = float(raw)
        if not least <= number <= most:  # as NaN is not
            raise ValueError(expected)
        return number

    def parse_text(raw: str) -> float:
        try:
            return parse(raw)
        except ValueError:
            raise ValueError(expected) from None

    if value is None:
        return env.first(default, f"CALLSPAN_{name.upper()}", parse_text)
    try:
        return parse(None if isinstance(value, str | bool) else value)
    except (TypeError, ValueError, OverflowError):
        raise ConfigurationError(name, value, f"give {expected}") from None
