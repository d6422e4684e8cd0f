"""The evaluators that a command line names."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from callspan.cli.cleaning import cleaned
from callspan.cli.judging import TracedJudge, read_rubric
from callspan.errors import CallspanError, ReadError
from callspan.evaluation.golden import Golden
from callspan.evaluation.perplexity import Perplexity
from callspan.evaluation.retrieval import Measure, RetrievalQuality
from callspan.evaluation.rubrics import DOCUMENT_RELEVANCE, RUBRICS, Rubric
from callspan.evaluation.scores import Evaluator, as_evaluator
from callspan.evaluation.texts import EmbeddingSimilarity, ExactMatch, FuzzyMatch, Matches, MatchesSchema, Rouge

_NAMED: Final = ("exact_match", "fuzzy_match", "rouge_1", "rouge_2", "rouge_l", "perplexity")
_MEASURES: Final[dict[str, Measure]] = {
    "precision": "precision",
    "recall": "recall",
    "mrr": "mrr",
    "ndcg": "ndcg",
    "hit_rate": "hit_rate",
}
_ANSWERS: Final = frozenset({"llm"})
_SEARCHES: Final = frozenset({"retriever", "reranker"})


@dataclass
class Making:
    """What evaluators are made with: the judge's model, and the right answers where there are some."""

    model: str = "gpt-4o-mini"
    is_structured: bool = True
    expected: Mapping[str, Any] | None = None
    relevant: Mapping[str, Any] | None = None
    k: int = 10
    options: Mapping[str, Any] = field(default_factory=dict)
    base_url: str | None = None
    beside: str | None = None
    _client: Any = field(default=None, repr=False)

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Making:
        """Read the arguments of `evaluate_arguments.describe_making`."""
        golden = Golden() if arguments.expected is None else golden_in(arguments.expected)
        if golden.ambiguous:
            sys.stderr.write(
                f"callspan {arguments.command}: {arguments.expected}: {golden.ambiguous:,} questions have different "
                "answers in different rows, and are not used\n"
            )
        return cls(
            arguments.model,
            not arguments.no_structured,
            golden.expected or None,
            golden.relevant or None,
            arguments.k,
            dict(arguments.option),
            arguments.base_url,
            arguments.paths[0].rstrip("/"),
        )

    async def close(self) -> None:
        """Close the client, in the event loop that it was used in."""
        if self._client is not None:
            await self._client.close()

    def named(self, name: str) -> Evaluator:
        """Return an evaluator by its name. Raises `CallspanError` that says which there are."""
        kind, _, rest = name.partition(":")
        if name in RUBRICS:
            return self._judge(RUBRICS[name])
        if name in _NAMED:
            return self._built_in(name)
        if name in _MEASURES:
            return self._measure(name)
        if kind == "matches" and rest:
            return Matches(_pattern(name, rest))
        if kind == "schema" and rest:
            _need(name, "jsonschema")
            return MatchesSchema(_json_in(Path(rest)))
        if kind == "similarity" and rest:
            return self._similarity(name, rest)
        if kind == "rubric" and rest:
            return self._judge(read_rubric(Path(rest)))
        if not rest:
            known = ", ".join([*RUBRICS, *_NAMED, *_MEASURES, "matches:PATTERN", "schema:FILE", "similarity:EMBEDDER"])
            raise CallspanError(
                f"--with {name}: there is no such evaluator; use {known}, rubric:FILE, or module:name of your own"
            )
        found = _imported(name)
        return self._judge(found) if isinstance(found, Rubric) else _checked(name, found)

    def _built_in(self, name: str) -> Evaluator:
        if name == "perplexity":
            return Perplexity()
        if self.expected is None:
            raise CallspanError(f"--with {name} compares with the right answers: give them with --expected FILE")
        if name in ("fuzzy_match", "rouge_l"):
            _need(name, "rapidfuzz")
        if name == "exact_match":
            return ExactMatch(self.expected)
        return FuzzyMatch(self.expected) if name == "fuzzy_match" else Rouge(self.expected, name[-1].upper())  # type: ignore[arg-type]

    def _measure(self, name: str) -> Evaluator:
        if self.relevant is None:
            raise CallspanError(f"--with {name} needs relevant documents: --expected FILE, with a column `relevant`")
        return RetrievalQuality(self.relevant, _MEASURES[name], self.k)

    def _similarity(self, name: str, embedder: str) -> Evaluator:
        if self.expected is None:
            raise CallspanError(f"--with {name} compares with the right answers: give them with --expected FILE")
        _need(name, "numpy")
        from callspan.analysis.embedding import embedder_named, model_of  # noqa: PLC0415 - imports numpy
        from callspan.analysis.vectors import Vectors  # noqa: PLC0415

        ask, model = embedder_named(embedder), model_of(embedder, {})

        def embed(texts: list[str]) -> Sequence[Sequence[float]]:
            return ask(cleaned(texts))

        if self.beside is None:
            return EmbeddingSimilarity(self.expected, embed=embed)
        spelled = re.sub(r"[^\w.-]+", "-", model)  # vectors of several models have a folder each
        kept = Vectors(f"{self.beside}.{spelled}.vectors", model)
        return EmbeddingSimilarity(self.expected, embed=lambda texts: kept.of(texts, embed).tolist())

    def _judge(self, rubric: Rubric) -> Evaluator:
        if "expected" in rubric.template.variable_names and self.expected is None:
            raise CallspanError(f"--with {rubric.name} compares with the right answers: give them with --expected FILE")
        if self._client is None:
            self._client = openai_client(self.base_url)
        expected = self.expected if "expected" in rubric.template.variable_names else None
        return TracedJudge(
            rubric, self._client, self.model, expected, structured=self.is_structured, options=self.options
        )


def kinds_for(evaluator: Evaluator) -> frozenset[str]:
    """Return the kinds of spans that an evaluator is for, unless a user says otherwise."""
    is_of_searches = isinstance(evaluator, RetrievalQuality) or evaluator.name == DOCUMENT_RELEVANCE.name
    return _SEARCHES if is_of_searches else _ANSWERS


def golden_in(path: Path) -> Golden:
    """Read right answers: rows of a dataset, or one JSON object by question, span ID or trace ID."""
    if path.suffix.lower() != ".json":
        return Golden.read(path)
    found = _json_in(path)
    if not isinstance(found, dict):
        raise CallspanError(f"{path} holds no JSON object of answers by question, span ID or trace ID")
    return Golden(found)


def _pattern(name: str, pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise CallspanError(f"--with {name}: that is no regular expression: {error}") from None
    return pattern


def _need(name: str, package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise CallspanError(f'--with {name} needs {package}: python -m pip install "callspan[analysis]"')


def _json_in(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ReadError(error.errno, error.strerror or str(error), str(path)) from None
    except ValueError as error:
        raise CallspanError(f"{path} is no JSON: {error}") from None


def openai_client(base_url: str | None = None) -> Any:
    """Make a client of an OpenAI-compatible server: `base_url`, `OPENAI_BASE_URL`, or OpenAI's own.

    Raises `CallspanError` where the package is missing, or a key.
    """
    try:
        openai: Any = importlib.import_module("openai")
    except ImportError:
        raise CallspanError('judges need the openai client: python -m pip install "callspan[openai]"') from None
    is_own = base_url or os.environ.get("OPENAI_BASE_URL")
    key = os.environ.get("OPENAI_API_KEY") or ("none" if is_own else None)  # servers at home ask for no key
    try:  # the runner tries again, within its limits and budget
        return openai.AsyncOpenAI(base_url=base_url, api_key=key, max_retries=0)
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
