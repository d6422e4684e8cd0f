"""`callspan prompts`: the templates of a folder, and how they differ from others or from what was recorded."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path
from typing import Final

from callspan.drawing.terminal import Piece, Terminal
from callspan.drawing.text import pad, width_of
from callspan.errors import CallspanError
from callspan.prompts.store import PromptStore, StoredPrompt

SUMMARY: Final = "list, show and compare prompt templates that are kept as files"
_DEFAULT: Final = "prompts"
_EXAMPLES: Final = """\
examples:
  callspan prompts list                                     those in ./prompts
  callspan prompts show naming --dir app/prompts
  callspan prompts diff naming ../release/prompts           with the same template of another folder
  callspan prompts diff naming traces/ --version 1f0c5d     with the version that these spans were made from

diff exits with 0 where both are the same, else with 1.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments."""
    parser.epilog = _EXAMPLES
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in (("list", "name, version, variables"), ("show", "one template"), ("diff", "compare one")):
        action = actions.add_parser(name, help=summary)
        if name != "list":
            action.add_argument("name", metavar="NAME")
        if name == "diff":
            action.add_argument("other", metavar="OTHER", help="a folder of prompts, or files of spans")
            action.add_argument("--version", metavar="VERSION", help="in spans: the version, or its beginning")
        action.add_argument("--dir", default=_DEFAULT, metavar="DIR", help=f"the folder (default: {_DEFAULT})")
        action.add_argument("--color", choices=("auto", "always", "never"), default="auto")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    terminal = Terminal(sys.stdout, color=arguments.color)
    store = PromptStore(arguments.dir)
    if arguments.action == "list":
        prompts, errors = store.read_all()
        _list(prompts, terminal)
        for error in errors:
            sys.stderr.write(f"callspan prompts: {error}\n")
        return 1 if errors else 0
    prompt = store.get(arguments.name)
    if arguments.action == "show":
        _show(prompt, terminal)
        return 0
    before, label = _other(arguments)
    return _diff(before, prompt.text, label, f"{prompt.name} {prompt.version}", terminal)


def _list(prompts: list[StoredPrompt], terminal: Terminal) -> None:
    rows = [
        (
            terminal.one_line(one.name),
            terminal.one_line(one.version),
            "chat" if one.is_chat else "text",
            ", ".join(one.variable_names),
        )
        for one in prompts
    ]
    widths = [max((width_of(row[column]) for row in rows), default=0) for column in range(3)]
    for one, row in zip(prompts, rows, strict=True):
        line: list[Piece] = [
            (pad(row[column], widths[column]) + "  ", ("bold", "cyan", "dim")[column]) for column in range(3)
        ]
        description = terminal.one_line(one.description)
        terminal.print([*line, (row[3], ""), (f"  {description}" if description else "", "dim")])


def _show(prompt: StoredPrompt, terminal: Terminal) -> None:
    told = {"name": prompt.name, "version": prompt.version, "variables": ", ".join(prompt.variable_names) or "none"}
    own = {name: value for name, value in prompt.facts.items() if name not in ("name", "version", "variables")}
    for name, value in {**told, **own, "file": str(prompt.file.path)}.items():
        terminal.print([(f"{name}: ", "dim"), (terminal.one_line(value), "")])
    terminal.print()
    for line in terminal.clean(prompt.text).split("\n"):
        terminal.print([(line, "")])


def _other(arguments: argparse.Namespace) -> tuple[str, str]:
    """Return the text to compare with, and what it is called."""
    other = Path(arguments.other)
    if other.is_dir() and arguments.version is None and not any(other.glob("*.jsonl*")):
        prompt = PromptStore(other).get(arguments.name)
        return prompt.text, f"{other}: {prompt.name} {prompt.version}"
    found = _recorded(arguments)
    if len(found) != 1:
        versions = ", ".join(sorted(found))
        told = f"choose one version with --version; there are: {versions}" if found else "no call was made with it"
        raise CallspanError(f"prompt {arguments.name!r} in {other}: {told}")
    ((version, text),) = found.items()
    return text, f"{other}: {arguments.name} {version}"


def _recorded(arguments: argparse.Namespace) -> dict[str, str]:
    """Return the recorded templates of that name by version; of a chat, the messages in their order."""
    from callspan.reading import load  # noqa: PLC0415

    found: dict[str, dict[str, None]] = {}
    for record in load(arguments.other):
        for prompt in record.prompts:
            if (
                prompt.name == arguments.name
                and prompt.template
                and (prompt.version or "").startswith(arguments.version or "")
            ):
                found.setdefault(prompt.version or "", {})[prompt.template] = None
    return {version: "\n".join(texts) for version, texts in found.items()}


def _diff(before: str, after: str, label: str, own: str, terminal: Terminal) -> int:
    if before == after:
        return 0
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in difflib.unified_diff(before.split("\n"), after.split("\n"), label, own, lineterm=""):
        terminal.print([(terminal.one_line(line) if line.strip() else line, styles.get(line[:1], ""))])
    return 1
