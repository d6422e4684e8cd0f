"""The evaluators that a command line names."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from callspan.errors import CallspanError, ReadError
from callspan.evaluation.judges import Judge
from callspan.evaluation.perplexity import Perplexity
from callspan.evaluation.rubrics import RUBRICS, Rubric
from callspan.evaluation.scores import Evaluator, as_evaluator
from callspan.evaluation.texts import ExactMatch, FuzzyMatch, Matches, MatchesSchema, Rouge

_NAMED: Final = ("exact_match", "fuzzy_match", "rouge_1", "rouge_2", "rouge_l", "perplexity")


@dataclass
class Making:
    """What evaluators are made with: the judge's model, and the right answers where there are some.

    `client` is that of the judges, made with the first of them.
    """

    model: str = "gpt-4o-mini"
    is_structured: bool = True
    expected: Mapping[str, Any] | None = None
    client: Any = field(default=None, repr=False)

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Making:
        """Read the arguments of `evaluate_arguments.describe_making`."""
        expected = None if arguments.expected is None else answers_in(arguments.expected)
        return cls(arguments.model, not arguments.no_structured, expected)

    def named(self, name: str) -> Evaluator:
        """Return an evaluator by its name. Raises `CallspanError` that says which there are."""
        kind, _, rest = name.partition(":")
        if name in RUBRICS:
            return self._judge(RUBRICS[name])
        if name in _NAMED:
            return self._built_in(name)
        if kind == "matches" and rest:
            return Matches(rest)
        if kind == "schema" and rest:
            return MatchesSchema(_json_in(Path(rest)))
        if not rest:
            known = ", ".join([*RUBRICS, *_NAMED, "matches:PATTERN", "schema:FILE"])
            raise CallspanError(f"--with {name}: there is no such evaluator; use {known}, or module:name of your own")
        found = _imported(name)
        return self._judge(found) if isinstance(found, Rubric) else _checked(name, found)

    def _built_in(self, name: str) -> Evaluator:
        if name == "perplexity":
            return Perplexity()
        if self.expected is None:
            raise CallspanError(f"--with {name} compares with the right answers: give them with --expected FILE")
        if name == "exact_match":
            return ExactMatch(self.expected)
        return FuzzyMatch(self.expected) if name == "fuzzy_match" else Rouge(self.expected, name[-1].upper())  # type: ignore[arg-type]

    def _judge(self, rubric: Rubric) -> Evaluator:
        if "expected" in rubric.template.variable_names and self.expected is None:
            raise CallspanError(f"--with {rubric.name} compares with the right answers: give them with --expected FILE")
        if self.client is None:
            self.client = openai_client()
        return Judge(rubric, self.client, self.model, self.expected, structured=self.is_structured)


def answers_in(path: Path) -> Mapping[str, Any]:
    """Read a JSON object of right answers."""
    found = _json_in(path)
    if not isinstance(found, dict):
        raise CallspanError(f"{path} holds no JSON object of answers by question, span ID or trace ID")
    return found


def _json_in(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ReadError(error.errno, error.strerror or str(error), str(path)) from None
    except ValueError as error:
        raise CallspanError(f"{path} is no JSON: {error}") from None


def openai_client() -> Any:
    """Return a client as the environment describes it. Raises `CallspanError` where there is none."""
    try:
        openai: Any = importlib.import_module("openai")
    except ImportError:
        raise CallspanError("judges need the openai client: python -m pip install openai") from None
    try:
        return openai.AsyncOpenAI(max_retries=0)  # the runner tries again, within its limits and budget
    except openai.OpenAIError as error:  # no API key
        raise CallspanError(str(error)) from None


def _imported(name: str) -> Any:
    place, _, what = name.partition(":")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as `python -m` does, for functions of the user's project
    try:
        return getattr(importlib.import_module(place), what)
    except (ImportError, AttributeError) as error:
        raise CallspanError(f"--with {name}: {error}") from None
    finally:
        del sys.path[0]


def _checked(name: str, found: Any) -> Evaluator:
    try:
        return as_evaluator(found() if isinstance(found, type) else found)
    except TypeError as error:
        raise CallspanError(f"--with {name}: {error}") from None
