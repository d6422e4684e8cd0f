"""`PromptStore("prompts/")`: the templates of a folder, by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from callspan.errors import PromptError
from callspan.model.prompt import PromptTemplate, RenderedPrompt
from callspan.prompts.parsing import PromptFile, names_in, parse

SUFFIXES: Final = (".prompt", ".md", ".txt")


class StoredPrompt:
    """A template of a store: one text, or the messages of a chat.

    `version` is the first 12 hexadecimal digits of the SHA-256 of the text below the facts, so an edited template is a
    new version by itself; where the facts name a `version`, it is that.
    """

    __slots__ = ("_templates", "description", "facts", "file", "name", "variable_names", "version")

    def __init__(self, file: PromptFile, name: str) -> None:
        """Read the templates; raises `PromptError` where the declared variables are not those in the text."""
        self.file: Final = file
        self.facts: Final = file.facts
        self.name: Final = file.facts.get("name", name)
        self.version: Final = file.facts.get("version", file.version)
        self.description: Final = file.facts.get("description", "")
        texts = [(section.role, section.text, section.is_example) for section in file.sections] or [
            ("", file.text, False)
        ]
        self._templates: Final = [
            (role, text if is_example else self._template(text)) for role, text, is_example in texts
        ]
        found = [name for _, one in self._templates if not isinstance(one, str) for name in one.variable_names]
        self.variable_names: Final = tuple(dict.fromkeys(found))
        if "variables" in file.facts:
            self._check(names_in(file.facts["variables"]))

    def _template(self, text: str) -> PromptTemplate:
        try:
            return PromptTemplate(text, name=self.name, version=self.version)
        except PromptError as error:
            raise PromptError(f"{self.file.path}: {error}") from None

    def _check(self, declared: list[str]) -> None:
        missing = [name for name in declared if name not in self.variable_names]
        more = [name for name in self.variable_names if name not in declared]
        if missing or more:
            parts = [f"declared but not in the text: {', '.join(missing)}"] if missing else []
            parts += [f"in the text but not declared: {', '.join(more)}"] if more else []
            raise PromptError(f"{self.file.path}: {'; '.join(parts)}")

    @property
    def is_chat(self) -> bool:
        """Whether it renders to messages."""
        return bool(self.file.sections)

    @property
    def text(self) -> str:
        """The text below the facts, as it stands in the file."""
        return self.file.text

    def format(self, /, **variables: object) -> RenderedPrompt:
        """Render a template of one text. Raises `PromptError` naming every variable that is missing or unknown."""
        if self.is_chat:
            raise PromptError(f"prompt {self.name!r} is a chat; use messages(...)")
        self._demand(variables)
        _, template = self._templates[0]
        assert isinstance(template, PromptTemplate)
        return template.format(**variables)

    def messages(self, /, **variables: object) -> list[dict[str, Any]]:
        """Render to `[{"role": ..., "content": ...}, ...]`, as chat APIs take them; a single text is the user's."""
        self._demand(variables)
        return [
            {"role": role or "user", "content": one if isinstance(one, str) else _rendered(one, variables)}
            for role, one in self._templates
        ]

    def _demand(self, variables: dict[str, object]) -> None:
        missing = [name for name in self.variable_names if name not in variables]
        unknown = [name for name in variables if name not in self.variable_names]
        if missing or unknown:
            parts = [f"prompt {self.name!r} needs {', '.join(self.variable_names) or 'no variables'}"]
            parts += [f"missing: {', '.join(missing)}"] if missing else []
            parts += [f"unknown: {', '.join(unknown)}"] if unknown else []
            raise PromptError("; ".join(parts))

    def __repr__(self) -> str:
        """Show name, version and variables, not the whole text."""
        return f"StoredPrompt(name={self.name!r}, version={self.version!r}, variables={list(self.variable_names)})"


def _rendered(template: PromptTemplate, variables: dict[str, object]) -> RenderedPrompt:
    return template.format(**{name: variables[name] for name in template.variable_names})


class PromptStore:
    """The prompt templates of a folder: files `*.prompt`, `*.md` and `*.txt`, also in folders below it.

    A file has facts (`name`, `description`, `variables`, `version` and your own) between two lines `---`, all of them
    optional, and a text with variables in braces below. Lines such as `[system]`, `[user]` and `[assistant]` make it a
    chat; `[example user]` and `[example assistant]` are examples, taken as they are. A template is called by the path
    of its file without the ending, unless its facts name it. Files are read when they are asked for, and again
    when they have changed. Raises `PromptError` for a folder that is not there.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """Look into a folder."""
        self.folder: Final = Path(folder)
        if not self.folder.is_dir():
            raise PromptError(f"{self.folder} is no folder of prompts")
        self._known: dict[Path, tuple[int, int, StoredPrompt]] = {}

    def get(self, name: str) -> StoredPrompt:
        """Return a template, whatever is wrong with others.

        Raises `PromptError` for one that cannot be used, and, naming the ones that are there, for one that is not.
        """
        found, wrong = self._look()
        if name in wrong:
            raise wrong[name]
        if name not in found:
            near = get_close_matches(name, found, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(found)) or 'none'}"
            unread = "".join(f"; {error}" for error in wrong.values())
            raise PromptError(f"no prompt {name!r} in {self.folder}{hint}{unread}")
        return found[name]

    def names(self) -> list[str]:
        """Return the names of all templates, in order."""
        return [prompt.name for prompt in self]

    def __iter__(self) -> Iterator[StoredPrompt]:
        """Yield all templates by name; raises `PromptError` where two have the same, or one cannot be read."""
        found, errors = self.read_all()
        for error in errors:
            raise error
        yield from found

    def read_all(self) -> tuple[list[StoredPrompt], list[PromptError]]:
        """Return the templates that can be used, by name, and what is wrong with the others."""
        found, wrong = self._look()
        return [found[name] for name in sorted(found)], [*wrong.values()]

    def _look(self) -> tuple[dict[str, StoredPrompt], dict[str, PromptError]]:
        """Read all files; return templates, and what is wrong, by their names."""
        found: dict[str, StoredPrompt] = {}
        wrong: dict[str, PromptError] = {}
        for path in sorted(path for path in self.folder.rglob("*") if path.suffix in SUFFIXES and path.is_file()):
            name = path.relative_to(self.folder).with_suffix("").as_posix()
            try:
                prompt = self._read(path, name)
            except PromptError as error:
                wrong.setdefault(name, error)
                continue
            other = found.setdefault(prompt.name, prompt).file.path
            if other != path:
                told = f"{path} and {other} are both called {prompt.name!r}; name one of them in its facts"
                wrong.setdefault(prompt.name, PromptError(told))
        return {name: prompt for name, prompt in found.items() if name not in wrong}, wrong

    def _read(self, path: Path, name: str) -> StoredPrompt:
        try:
            told = path.stat()
            known = self._known.get(path)
            if known is not None and known[:2] == (told.st_mtime_ns, told.st_size):
                return known[2]
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PromptError(f"{path} cannot be read: {error}") from None
        prompt = StoredPrompt(parse(path, text), name)
        self._known[path] = (told.st_mtime_ns, told.st_size, prompt)
        return prompt
