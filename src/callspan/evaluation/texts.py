"""Evaluators that compare the answer with a reference, a pattern or a schema."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Final, Literal

from callspan.evaluation.scores import Level, Score
from callspan.evaluation.subjects import Reference, Subject, expected_of, plain_text, subject_of
from callspan.model.record import SpanRecord

Vector = Sequence[float]
NO_ANSWER: Final = "no expected answer for this record"
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class _AgainstReference:
    """Compares the answer with the right one; records without one get an error, not a score."""

    expected: Reference = None
    level: ClassVar[Level] = "span"

    @property
    def name(self) -> str:
        raise NotImplementedError

    @property
    def identity(self) -> str:
        """The name; the reference is part of what is judged."""
        return self.name

    def compare(self, answer: str, expected: str) -> Score:
        raise NotImplementedError

    def evaluate(self, record: SpanRecord | Subject) -> Score:
        """Compare; text in, text out."""
        subject = subject_of(record)
        expected = expected_of(self.expected, subject)
        if expected is None:
            return Score(self.name, error=NO_ANSWER)
        return self.compare(subject.answer, plain_text(expected))


@dataclass(frozen=True)
class ExactMatch(_AgainstReference):
    """1 when the answer is the expected text, but for white space and, by default, case.

    >>> ExactMatch("Paris").compare("paris ", "Paris").score
    1.0
    """

    ignore_case: bool = True
    name: str = field(default="exact_match", kw_only=True)

    def compare(self, answer: str, expected: str) -> Score:
        """Compare two texts."""
        given, wanted = " ".join(answer.split()), " ".join(expected.split())
        if self.ignore_case:
            given, wanted = given.casefold(), wanted.casefold()
        return Score(self.name, float(given == wanted), "match" if given == wanted else "differs")


@dataclass(frozen=True)
class FuzzyMatch(_AgainstReference):
    """How alike two texts are, from 0 to 1, by `rapidfuzz`; the label says whether it is at least `threshold`.

    `by="words"` ignores the order of words and how often they occur; `by="characters"` is the normalised edit
    similarity.
    """

    threshold: float = 0.8
    by: Literal["words", "characters"] = "words"
    name: str = field(default="fuzzy_match", kw_only=True)

    def compare(self, answer: str, expected: str) -> Score:
        """Compare two texts."""
        from rapidfuzz import fuzz, utils  # noqa: PLC0415 - an extra

        measure = fuzz.token_set_ratio if self.by == "words" else fuzz.ratio
        likeness = measure(answer, expected, processor=utils.default_process) / 100
        if answer.strip() == expected.strip():  # of nothing but signs, for which it has no measure
            likeness = 1.0
        return Score(self.name, likeness, "match" if likeness >= self.threshold else "differs")


@dataclass(frozen=True)
class Rouge(_AgainstReference):
    """The F-measure of ROUGE-1, ROUGE-2 or ROUGE-L over lower-cased words, without stemming.

    >>> Rouge(variant="1").compare("the cat sat", "the cat").score
    0.8
    """

    variant: Literal["1", "2", "L"] = "L"

    @property
    def name(self) -> str:
        """`rouge_1`, `rouge_2` or `rouge_l`."""
        return f"rouge_{self.variant.lower()}"

    def compare(self, answer: str, expected: str) -> Score:
        """Compare two texts."""
        given, wanted = _WORD.findall(answer.lower()), _WORD.findall(expected.lower())
        if self.variant == "L":
            return Score(self.name, _f_measure(_common_in_order(given, wanted), len(given), len(wanted)))
        grams: list[Sequence[Hashable]] = [given, wanted]
        if self.variant == "2":
            grams = [[*pairwise(given)], [*pairwise(wanted)]]
        common = sum((Counter(grams[0]) & Counter(grams[1])).values())
        return Score(self.name, _f_measure(common, len(grams[0]), len(grams[1])))


def _f_measure(common: int, given: int, wanted: int) -> float:
    return 2 * common / (given + wanted) if common else 0.0


def _common_in_order(given: list[str], wanted: list[str]) -> int:
    from rapidfuzz.distance import LCSseq  # noqa: PLC0415 - an extra

    return int(LCSseq.similarity(given, wanted))


@dataclass(frozen=True)
class EmbeddingSimilarity(_AgainstReference):
    """The cosine of the vectors of both texts. `embed` takes a list of texts and returns a list of vectors."""

    embed: Callable[[list[str]], Sequence[Vector]] | None = None
    threshold: float = 0.8
    name: str = field(default="embedding_similarity", kw_only=True)

    def compare(self, answer: str, expected: str) -> Score:
        """Compare two texts."""
        if self.embed is None:
            return Score(self.name, error="no embed function was given")
        first, second = self.embed([answer, expected])
        likeness = _cosine(first, second)
        return Score(self.name, likeness, "match" if likeness >= self.threshold else "differs")


def _cosine(first: Vector, second: Vector) -> float:
    length = (sum(x * x for x in first) * sum(y * y for y in second)) ** 0.5
    return float(sum(x * y for x, y in zip(first, second, strict=True)) / length) if length else 0.0


@dataclass(frozen=True)
class Matches:
    """1 when the answer has the pattern somewhere; `whole=True`: when it is nothing but the pattern."""

    pattern: str
    whole: bool = False
    name: str = "matches"
    level: Level = "span"

    @property
    def identity(self) -> str:
        """The pattern."""
        return f"{self.name}:{self.pattern}:{self.whole}"

    def evaluate(self, record: SpanRecord | Subject) -> Score:
        """Look for the pattern in the answer."""
        look = re.fullmatch if self.whole else re.search
        found = look(self.pattern, subject_of(record).answer)
        return Score(self.name, float(found is not None), "match" if found else "no match")


@dataclass(frozen=True)
class MatchesSchema:
    """1 when the answer is JSON that follows the schema, by `jsonschema`; the explanation names what does not."""

    schema: dict[str, Any]
    name: str = "matches_schema"
    level: Level = "span"

    @property
    def identity(self) -> str:
        """The schema."""
        return f"{self.name}:{json.dumps(self.schema, sort_keys=True, default=str)}"

    def evaluate(self, record: SpanRecord | Subject) -> Score:
        """Parse the answer and hold it against the schema."""
        import jsonschema  # noqa: PLC0415 - an extra

        output = subject_of(record).record.output
        try:
            value = output if isinstance(output, dict | list) else json.loads(subject_of(record).answer)
        except ValueError as error:
            return Score(self.name, 0.0, "not JSON", str(error))
        validator = jsonschema.validators.validator_for(self.schema)(self.schema)
        problems = sorted(validator.iter_errors(value), key=lambda problem: problem.json_path)
        if not problems:
            return Score(self.name, 1.0, "valid")
        told = "; ".join(f"{problem.json_path}: {problem.message}" for problem in problems[:5])
        return Score(self.name, 0.0, "invalid", told)
