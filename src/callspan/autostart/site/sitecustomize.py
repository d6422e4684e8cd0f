"""Imported by Python before a program that `callspan run` has started. What it hides is imported too."""

import os
import sys


def _import_hidden() -> None:
    """Import the `sitecustomize` that Python would have found without us, under the name it expects."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is a slow import
    ours = sys.modules.pop("sitecustomize", None)
    path = sys.path
    sys.path = [entry for entry in path if os.path.abspath(entry or ".") != here]  # noqa: PTH100
    try:
        import sitecustomize  # type: ignore[import-not-found] # noqa: F401, PLC0415 - another one
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        if ours is not None:
            sys.modules["sitecustomize"] = ours
    finally:
        sys.path = path


def _start() -> None:
    try:
        from callspan.autostart import start  # noqa: PLC0415
    except ImportError:  # a Python that callspan is not installed for
        return
    start()


_start()
_import_hidden()
