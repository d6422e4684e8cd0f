"""From recorded calls to a set of answers to fix: clusters of an assistant's calls, and what changed since last week.

    python examples/find_problems.py            writes two weeks of spans, and finds what is wrong in them

Two weeks of an online shop's assistant are recorded with callspan itself. Three problems are planted: it invents
warranty terms, it is rude to people who complain about couriers, and this week, after an update of the app, customers
ask about crashes, which it knows nothing about. Everything else goes well, apart from the 4 % of bad feedback that
there always is. The vectors are real ones, of all-MiniLM-L6-v2; `examples/support_vectors.py` made them.
`docs/clusters.md` walks through it.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import callspan
from callspan.cli import main as callspan_command
from callspan.exporters import FileExporter
from support_questions import ANSWERS, BAD_ANSWERS, QUESTIONS, lines_of, ways_to_ask

VECTORS = Path(__file__).parent / "support_vectors"
NEW_THIS_WEEK = "app crash"
BAD_SHARE = {"warranty": 0.75, "courier complaints": 0.6, "app crash": 0.45}
USUAL_BAD_SHARE = 0.04


def record_week(path: Path, *, seed: int, topics: list[str]) -> list[str]:
    """Record one week of calls with their feedback; return the topic of each call, in order."""
    chance = random.Random(seed)  # noqa: S311 - the same weeks each time
    path.unlink(missing_ok=True)
    callspan.configure(service_name="shop-assistant", exporters=[FileExporter(path)])
    asked: list[str] = []
    for topic in topics:
        for question in lines_of(QUESTIONS[topic]):
            for _ in range(chance.randint(2, 5)):
                ask(topic, chance.choice(ways_to_ask(question)), chance)
                asked.append(topic)
    callspan.shutdown()
    return asked


def ask(topic: str, question: str, chance: random.Random) -> None:
    """Let the assistant answer, and the customer say what they think of it."""
    is_bad = chance.random() < BAD_SHARE.get(topic, 0)
    with callspan.span("answer", kind="llm") as span:
        span.set_input([{"role": "user", "content": question}])
        span.set_output(chance.choice(lines_of(BAD_ANSWERS[topic] if is_bad else ANSWERS[topic])))
    is_helpful = not is_bad and chance.random() >= USUAL_BAD_SHARE
    callspan.feedback(span, name="helpful", score=float(is_helpful))


def record_two_weeks(folder: Path) -> tuple[Path, Path]:
    """Record last week, without the new topic, and this week; return both files."""
    last_week, this_week = folder / "last-week.jsonl", folder / "this-week.jsonl"
    record_week(last_week, seed=1, topics=[topic for topic in QUESTIONS if topic != NEW_THIS_WEEK])
    record_week(this_week, seed=2, topics=[*QUESTIONS])
    return last_week, this_week


def main() -> None:
    parser = argparse.ArgumentParser(description="Find planted problems in two weeks of an assistant's calls.")
    parser.add_argument("--folder", type=Path, default=Path("problems"), help="where spans and results are written")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    last_week, this_week = record_two_weeks(folder)
    calls, page, fixes = (str(folder / name) for name in ("calls.jsonl", "clusters.html", "to-fix.jsonl"))
    command = ["clusters", str(this_week), "--baseline", str(last_week), "--calls", calls, "--html", page]
    callspan_command([*command, "--embedder", "support_vectors:embed", "--vectors", str(VECTORS)])
    command = ["export", str(this_week), "--calls", calls, "--cluster", "problems", "--feedback", "helpful<0.5"]
    callspan_command([*command, "--format", "jsonl", "--output", fixes])


if __name__ == "__main__":
    main()
