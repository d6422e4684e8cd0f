"""The plan of the house, held: imports point down, heavy libraries stay in their rooms, rooms stay small.

Every import counts: at the head of a file, inside a function, and for type checkers only. What is imported by a text
(the lazy front door of `callspan/__init__.py`) does not, since nothing is loaded by it until a user asks.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "callspan"
LONGEST_FILE = 350
LONGEST_FUNCTION = 60

GROUND = {"errors", "version", "typing", "guard", "forks", "environment", "policy", "settings"}
DELIVERY = {"pipeline", "exporters", "encoding", "dialects", "model"}
RECORDING = {"integrations", "capture", "recording", "model"}

# Who may import whom, besides itself. A unit is a folder or a file directly below `callspan`.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "version": set(),
    "typing": set(),
    "guard": set(),
    "forks": set(),
    "environment": {"guard"},
    "policy": {"errors", "model"},
    "settings": GROUND - {"settings"},
    "signals": {"guard"},
    "model": {"errors", "version"},
    # the column of delivery
    "dialects": GROUND | {"model"},
    "encoding": GROUND | {"dialects", "model"},
    "exporters": GROUND | {"encoding", "dialects", "drawing", "reading", "model"},
    "pipeline": GROUND | {"exporters", "encoding", "dialects", "model"},
    # the column of recording
    "recording": GROUND | {"model"},
    "capture": GROUND | {"recording", "model"},
    "middleware": GROUND | {"capture", "recording", "model"},
    "integrations": GROUND | {"capture", "recording", "model"},
    # they meet here only
    "runtime": GROUND | DELIVERY | RECORDING | {"signals"},
    # the reading side
    "reading": GROUND | {"model"},
    "drawing": GROUND | {"reading", "model"},
    "evaluation": GROUND | {"drawing", "reading", "model"},
    "reports": GROUND | {"drawing", "reading", "model"},
    "prompts": GROUND | {"model"},
    "datasets": GROUND | {"reports", "reading", "model"},
    "analysis": GROUND | {"evaluation", "drawing", "reading", "model"},
    "cli": GROUND
    | {
        "analysis",
        "datasets",
        "evaluation",
        "prompts",
        "reports",
        "drawing",
        "reading",
        "model",
        "pipeline",
        "exporters",
        "__init__",  # what judges do is recorded as any other program is
    },
    "__main__": {"cli"},
    # what starts by itself
    "autostart": GROUND | {"runtime", "integrations"},
    # the front door, and what tests are written with
    "__init__": GROUND | DELIVERY | RECORDING | {"prompts", "runtime", "testing"},
    "testing": GROUND | DELIVERY | RECORDING | {"runtime", "reading"},
    "testing_pytest": GROUND | {"testing"},
}

# Libraries that only some files may import: the beginnings of their paths below `callspan`.
ROOMS: dict[str, tuple[str, ...]] = {
    "opentelemetry": ("recording/otel.py", "capture/tracing.py", "exporters/otel"),
    "wrapt": ("capture/patching.py", "integrations/"),
    "openai": ("integrations/openai/",),
    "langchain": ("integrations/langchain/",),
    "langgraph": ("integrations/langchain/",),
    "llama_index": ("integrations/llama_index/",),
    "celery": ("integrations/celery/",),
    "tiktoken": ("pipeline/tokens.py",),
}
# Libraries that no file may import at its head: they are looked at when they are there, never loaded by us before.
LATE = {"celery", "openai", "langchain", "langgraph", "llama_index", "tiktoken"}


@dataclass(frozen=True)
class Import:
    """One imported module, where it stands, and whether the import runs when its file is imported."""

    path: Path
    line: int
    module: str
    at_head: bool

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}"


class Imports(ast.NodeVisitor):
    """Collects the imports of one file."""

    def __init__(self, path: Path, package: str) -> None:
        self.path = path
        self.package = package
        self.found: list[Import] = []
        self._depth = 0

    def _note(self, node: ast.stmt, module: str) -> None:
        self.found.append(Import(self.path, node.lineno, module, self._depth == 0))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._note(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        parts = self.package.split(".")
        above = parts[: len(parts) - node.level + 1] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            self._note(node, f"{module}.{alias.name}")

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_Lambda = visit_FunctionDef


def files_of(source: Path) -> list[Path]:
    return sorted(source.rglob("*.py"))


def imports_of(path: Path, source: Path) -> list[Import]:
    folder = path.relative_to(source.parent).parent
    visitor = Imports(path.relative_to(source.parent), ".".join(folder.parts))
    visitor.visit(ast.parse(path.read_text("utf-8")))
    return visitor.found


def unit_of_file(path: Path, source: Path) -> str:
    return path.relative_to(source).parts[0].removesuffix(".py")


def file_of_module(module: str, source: Path) -> Path | None:
    """Return the file of ours that `module`, or the module a name was imported from, stands for."""
    parts = module.split(".")
    if parts[0] != source.name:
        return None
    for end in range(len(parts), 0, -1):
        below = source.joinpath(*parts[1:end])
        for file in (below.with_suffix(".py"), below / "__init__.py"):
            if file.is_file() and (end > 1 or file.name == "__init__.py"):
                return file
    return None


def wrong_arrows(source: Path) -> list[str]:
    wrong = []
    for path in files_of(source):
        unit = unit_of_file(path, source)
        if unit not in ARROWS:
            wrong.append(f"{path.relative_to(source.parent)}: {unit} has no place in the plan (ARROWS)")
            continue
        for found in imports_of(path, source):
            target = file_of_module(found.module, source)
            if target is None:
                continue
            other = unit_of_file(target, source)
            if other not in ARROWS[unit] | {unit}:
                allowed = ", ".join(sorted(ARROWS[unit])) or "nothing of ours"
                wrong.append(f"{found}: the arrow {unit} -> {other} is not in the plan; {unit} may import {allowed}")
    return wrong


def family_of(module: str) -> str:
    """Return the library of ROOMS that a module belongs to: langchain_core and langchain_openai are langchain."""
    top = module.partition(".")[0]
    return next((library for library in ROOMS if top == library or top.startswith(f"{library}_")), top)


def wrong_libraries(source: Path) -> list[str]:
    wrong = []
    for path in files_of(source):
        below = path.relative_to(source).as_posix()
        for found in imports_of(path, source):
            library = family_of(found.module)
            if library in ROOMS and not below.startswith(ROOMS[library]):
                wrong.append(f"{found}: only {' and '.join(ROOMS[library])} may import {library}")
            if library in LATE and found.at_head:
                wrong.append(f"{found} at its head: {library} is loaded where it is used, never before")
    return wrong


def circle_of(source: Path) -> list[str]:
    graph = {
        path: {
            target
            for found in imports_of(path, source)
            if (target := file_of_module(found.module, source)) is not None and target != path
        }
        for path in files_of(source)
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(path.relative_to(source.parent)) for path in reversed(error.args[1])]
    return []


def long_files(source: Path) -> list[str]:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in files_of(source)}
    return [
        f"{path.relative_to(source.parent)} has {length} lines; at most {LONGEST_FILE}"
        for path, length in lengths.items()
        if length > LONGEST_FILE
    ]


def long_functions(source: Path) -> list[str]:
    return [
        f"{path.relative_to(source.parent)}:{node.lineno} {node.name} has {length} lines; at most {LONGEST_FUNCTION}"
        for path in files_of(source)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]


RULES = [wrong_arrows, wrong_libraries, circle_of, long_files, long_functions]


@pytest.mark.parametrize("rule", RULES)
def test_the_house_follows_the_plan(rule):
    assert "\n".join(rule(SOURCE)) == ""


def test_the_plan_names_no_arrow_that_would_close_a_circle():
    assert [*TopologicalSorter(ARROWS).static_order()]


def house(tmp_path: Path, **files: str) -> Path:
    """Build a small package; `model__span` is the file `callspan/model/span.py`."""
    source = tmp_path / "callspan"
    for name, text in files.items():
        path = source.joinpath(*name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for folder in (source, *(path for path in source.rglob("*") if path.is_dir())):
        (folder / "__init__.py").touch()
    return source


@pytest.mark.parametrize(
    ("name", "text", "arrow"),
    [
        ("model__span", "import callspan.runtime", "callspan/model/span.py:1 imports callspan.runtime"),
        ("model__span", "from callspan.recording import ids", "model -> recording"),
        ("model__span", "def f():\n    from callspan.pipeline import worker", "model -> pipeline"),
        ("exporters__file", "if TYPE_CHECKING:\n    from callspan.recording import ids", "exporters -> recording"),
        ("recording__ids", "from ..pipeline import worker", "recording -> pipeline"),
        ("recording__ids", "from callspan import runtime", "recording -> runtime"),
        ("recording__ids", "from callspan import observe", "recording -> __init__"),
        ("cli__view", "from callspan import runtime", "cli -> runtime"),
        ("settings", "from callspan.model import span", "settings -> model"),
        ("helpers", "", "callspan/helpers.py: helpers has no place in the plan"),
    ],
)
def test_a_wrong_arrow_is_found_and_named(tmp_path, name, text, arrow):
    around = {"runtime": "", "recording__ids": "", "model__span": "", "pipeline__worker": ""}
    (problem,) = wrong_arrows(house(tmp_path, **{**around, name: text}))
    assert arrow in problem


def test_right_arrows_pass(tmp_path):
    source = house(
        tmp_path,
        model__span="from callspan.errors import CallspanError",
        errors="import json",
        recording__ids="from callspan.model.span import Span\nfrom . import clock",
        recording__clock="",
        runtime="from callspan.recording.ids import ids",
    )
    assert wrong_arrows(source) == []
    assert circle_of(source) == []


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("recording__ids", "from opentelemetry import trace", "exporters/otel may import opentelemetry"),
        ("capture__call", "def f():\n    import wrapt", "capture/patching.py and integrations/ may import wrapt"),
        ("pipeline__worker", "def f():\n    import langchain_core", "integrations/langchain/ may import langchain"),
        ("integrations__openai__attach", "import openai", "callspan/integrations/openai/attach.py:1 imports openai at"),
        ("pipeline__tokens", "import tiktoken", "callspan/pipeline/tokens.py:1 imports tiktoken at its head"),
    ],
)
def test_a_library_outside_its_room_is_found(tmp_path, name, text, problem):
    (found,) = wrong_libraries(house(tmp_path, **{name: text}))
    assert problem in found


def test_libraries_in_their_rooms_pass(tmp_path):
    source = house(
        tmp_path,
        recording__otel="import opentelemetry.trace",
        capture__patching="import wrapt",
        integrations__openai__attach="def f():\n    import wrapt, openai",
        pipeline__tokens="def f():\n    import tiktoken",
    )
    assert wrong_libraries(source) == []


def test_a_circle_is_found_and_told_in_order(tmp_path):
    source = house(
        tmp_path,
        model__a="from callspan.model import b",
        model__b="def f():\n    from callspan.model.c import C",
        model__c="if TYPE_CHECKING:\n    from callspan.model.a import A",
    )
    a, b, c = (f"callspan/model/{name}.py" for name in "abc")
    circle = circle_of(source)
    assert set(pairwise(circle)) == {(a, b), (b, c), (c, a)}


def test_long_files_and_functions_are_found(tmp_path):
    source = house(tmp_path, model__long="x = 1\n" * 351, model__deep="def f():\n" + "    x = 1\n" * 60)
    assert long_files(source) == ["callspan/model/long.py has 351 lines; at most 350"]
    assert long_functions(source) == ["callspan/model/deep.py:1 f has 61 lines; at most 60"]
