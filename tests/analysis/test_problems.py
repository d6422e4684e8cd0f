"""The worked example, end to end: planted problems are found, ranked and exported; the page works in a browser."""

import json
import math
import random
import time
from collections import Counter

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("sklearn")

from sklearn.metrics import adjusted_rand_score  # noqa: E402

import find_problems as example  # noqa: E402
from browser import browse  # noqa: E402
from callspan.analysis.embedding import embedder_named, model_of, vectors_of  # noqa: E402
from callspan.analysis.page import clusters_page  # noqa: E402
from callspan.analysis.points import Point, Verdict, recorded  # noqa: E402
from callspan.analysis.problems import find_problems, lift_of  # noqa: E402
from callspan.analysis.vectors import VectorError, Vectors  # noqa: E402
from callspan.cli import main  # noqa: E402
from callspan.reading.load import load  # noqa: E402
from span_files import write  # noqa: E402
from spans import answered  # noqa: E402
from support_questions import QUESTIONS  # noqa: E402

EMBEDDER = "support_vectors:embed"
VECTORS = ["--embedder", EMBEDDER, "--vectors", str(example.VECTORS)]


@pytest.fixture(scope="module")
def weeks(tmp_path_factory):
    """Record two weeks of the example; return the files, and the topic of each call of this week."""
    folder = tmp_path_factory.mktemp("weeks")
    old, new = folder / "last-week.jsonl", folder / "this-week.jsonl"
    example.record_week(old, seed=1, topics=[topic for topic in QUESTIONS if topic != example.NEW_THIS_WEEK])
    topics = example.record_week(new, seed=2, topics=[*QUESTIONS])
    return old, new, topics


@pytest.fixture(scope="module")
def findings(weeks):
    old, new, _ = weeks
    kept = Vectors(example.VECTORS, EMBEDDER)
    now, before = recorded(load(new)).points, recorded(load(old)).points
    vectors = vectors_of(now, kept)
    return now, vectors, find_problems(now, vectors, before, vectors_of(before, kept))


def test_the_planted_problems_rank_first_second_and_third(weeks, findings):
    _, _, topics = weeks
    points, _, found = findings
    assert len(points) == len(topics)
    mostly = [Counter(topics[index] for index in cluster.members).most_common(1)[0] for cluster in found.clusters]
    assert [topic for topic, _ in mostly[:3]] == ["warranty", "courier complaints", "app crash"]
    assert [cluster.lift.is_problem for cluster in found.clusters] == [True] * 3 + [False] * (len(found.clusters) - 3)
    assert all(count >= 0.9 * cluster.size for (_, count), cluster in zip(mostly[:3], found.clusters, strict=False))


def test_the_clusters_are_the_topics(weeks, findings):
    assert adjusted_rand_score(weeks[2], findings[2].labels) >= 0.8


def test_the_new_topic_is_flagged_and_nothing_else(findings):
    found = findings[2]
    changes = [cluster.change.change for cluster in found.clusters]
    assert changes == ["same", "same", "new"] + ["same"] * (len(changes) - 3)
    assert found.drift.is_significant
    assert "app" in found.clusters[2].terms


def test_the_command(weeks, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    old, new, _ = weeks
    page, chosen, fixes = tmp_path / "page.html", tmp_path / "calls.jsonl", tmp_path / "fix.jsonl"
    arguments = ["clusters", str(new), "--baseline", str(old), *VECTORS, "--limit", "3", "--calls", str(chosen)]
    assert main([*arguments, "--html", str(page)]) == 0
    out, err = capsys.readouterr()
    assert out.count(" problem") == 3
    assert "drifted from the baseline" in out
    assert "app, " in out
    assert max(map(len, out.splitlines())) <= 80
    assert f"wrote {page}" in err
    assert "__DATA__" not in page.read_text()
    calls = [json.loads(line) for line in chosen.read_text().splitlines()]
    assert len(calls) == len(weeks[2])
    command = ["export", str(new), "--processes", "1", "--calls", str(chosen), "--cluster", "problems"]
    assert main([*command, "--feedback", "helpful<0.5", "--format", "jsonl", "--output", str(fixes)]) == 0
    rows = [json.loads(line) for line in fixes.read_text().splitlines()]
    bad = {call["span_id"] for call in calls if call["is_problem"] and call["is_bad"]}
    assert rows
    assert {row["span_id"] for row in rows} <= bad
    assert {row["score"] for row in rows} == {0.0}


def test_the_command_for_machines(weeks, capsys):
    _, new, topics = weeks
    assert main(["clusters", str(new), *VECTORS, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert len(data["calls"]) == len(topics)
    assert data["drift"] is None
    first = data["clusters"][0]
    assert first["problem"]
    assert first["lift_interval"][0] > 1
    assert first["change"] is None
    assert first["size"] == sum(call["cluster"] == first["number"] for call in data["calls"])


def test_without_vectors_one_is_told_how_to_get_them(weeks, tmp_path, capsys):
    assert main(["clusters", str(weeks[1]), "--vectors", str(tmp_path / "none")]) == 1
    assert "texts have no recorded vector; name an embedder: --embedder openai:" in capsys.readouterr().err


def test_nothing_to_look_at(tmp_path, capsys):
    empty = tmp_path / "empty.jsonl"
    empty.write_text("nonsense\n")
    assert main(["clusters", str(empty)]) == 1
    assert "no llm span with a question was found" in capsys.readouterr().err


# -- parts -------------------------------------------------------------------------------------------------------------


def points(count, bad=0, **fields):
    made = {"model": "m", "prompt_version": "v", "outcome": "ok", "duration_ms": 10.0, "tokens": 5, "cost": None}
    return [
        Point(
            "t",
            f"{number}",
            f"question {number}",
            "answer",
            verdicts=[Verdict("h", float(number >= bad))],
            **made | fields,
        )
        for number in range(count)
    ]


def test_lift():
    lift = lift_of(30, 40, 10, 200)
    assert (lift.value, lift.low, lift.high) == (15, pytest.approx(7.99, abs=0.01), pytest.approx(27.73, abs=0.01))
    assert lift.is_problem
    assert not lift_of(1, 2, 10, 200).is_problem
    nothing = lift_of(0, 0, 10, 200)
    assert (nothing.value, nothing.low, nothing.high, nothing.p_value) == (1.0, 0.0, math.inf, 1.0)
    alone = lift_of(5, 10, 0, 100)
    assert (alone.value, alone.high) == (math.inf, math.inf)
    assert 1 < alone.low < 100
    assert lift_of(0, 10, 0, 100).value == 1
    assert lift_of(0, 10, 5, 100).low == 0


def test_a_tiny_bad_cluster_does_not_stand_above_a_large_one():
    assert lift_of(2, 2, 20, 500).low < lift_of(60, 100, 20, 500).low


def test_figures_of_a_cluster():
    chance = np.random.default_rng(0)
    left = np.array([1.0, 0.0]) + 0.01 * chance.normal(size=(20, 2))
    right = np.array([0.0, 1.0]) + 0.01 * chance.normal(size=(20, 2))
    vectors = np.concatenate([left, right]).astype(np.float32)
    calls = [*points(20, bad=15, cost=0.5), *points(20, model="other")]
    found = find_problems(calls, vectors, min_size=15)
    worst, best = found.clusters
    assert (worst.size, worst.bad.hits, worst.bad.count, worst.cost) == (20, 15, 20, 10.0)
    assert (worst.p50_ms, worst.p95_ms, worst.mean_tokens) == (10.0, 10.0, 5.0)
    assert (dict(worst.models), dict(best.models), best.cost) == ({"m": 20}, {"other": 20}, None)
    assert worst.verdicts == {"h": 15}
    assert found.drift is None
    assert len({calls[index].prompt for index in worst.examples}) == 3


def test_of_many_calls_the_page_shows_some(monkeypatch):
    from callspan.analysis import page

    monkeypatch.setattr(page, "_SHOWN_POINTS", 10)
    calls, vectors = points(25), np.eye(25, dtype=np.float32)
    assert "25 calls · 0 clusters · 0 bad · 9 shown" in page.clusters_page(
        calls, find_problems(calls, vectors), vectors
    )


def test_long_texts_are_cut_on_the_page_and_marked():
    calls, vectors = points(2), np.eye(2, dtype=np.float32)
    calls[0].prompt = "x" * 5_000
    page = clusters_page(calls, find_problems(calls, vectors), vectors)
    assert page.count("x" * 4_000) == 1
    assert "x" * 4_001 not in page
    assert (page.count('"is_cut":true'), page.count('"is_cut":false')) == (1, 1)


def test_embedders_by_name(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("def embed(texts):\n    return [[1.0, float(len(text))] for text in texts]\n")
    monkeypatch.chdir(tmp_path)
    assert embedder_named("mine:embed")(["ab"]) == [[1.0, 2.0]]
    for name, problem in (
        ("mine", "is no embedder"),
        ("mine:other", "no attribute 'other'"),
        ("nowhere:f", "No module"),
    ):
        with pytest.raises(VectorError, match=problem):
            embedder_named(name)


def test_embedders_are_not_sent_the_secrets_of_other_tools(tmp_path, monkeypatch, capsys):
    key = "sk-proj-" + "Ab1" * 16
    path = write(
        tmp_path / "traces.jsonl", [answered(number, f"{number}: is {key} good?", key) for number in (1, 2, 3)]
    )
    (tmp_path / "showing.py").write_text(
        "def embed(texts):\n    open('shown.txt', 'a').write('|'.join(texts))\n    return [[1.0, 0.5] for _ in texts]\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["clusters", str(path), "--embedder", "showing:embed", "--json"]) == 0
    shown = (tmp_path / "shown.txt").read_text()
    assert "1: is [redacted] good?" in shown
    assert key not in shown
    assert len(json.loads(capsys.readouterr().out)["calls"]) == 3


def test_an_embedder_over_any_openai_server(monkeypatch):
    pytest.importorskip("openai")
    from openai_server import serve

    with serve() as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        vectors = embedder_named("openai:text-embedding-3-small")(["socks", "shoes"])
    assert len(vectors) == 2


def test_vectors_that_the_application_recorded_are_used(tmp_path):
    found = {"small": {"question 0": [3.0, 4.0], "answer": [3.0, 4.0]}, "other": {"answer": [1.0]}}
    kept = Vectors(tmp_path / "v", model_of(None, found))
    kept.add(found["small"])
    assert vectors_of(points(1), kept) == pytest.approx(np.array([[0.6, 0.8]]), abs=1e-3)
    assert vectors_of([], kept).shape == (0, 2)
    with pytest.raises(VectorError, match="2 texts have no recorded vector; name an embedder: --embedder openai:"):
        vectors_of(points(3), kept)


def test_whose_vectors_they_are():
    found = {"small": {"a": [1.0]}, "large": {"a": [1.0], "b": [1.0]}}
    assert model_of(None, found) == "large"
    assert model_of("openai:small", found) == "small"
    assert model_of("mine:embed", found) == "mine:embed"
    assert model_of(None, {}) == "(unknown)"


# -- in a browser ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_page_selects_filters_and_exports(tmp_path, findings):
    calls, vectors, found = findings
    calls[0].prompt = "</script><img src=x onerror=alert(1)>"
    page = tmp_path / "clusters.html"
    page.write_text(clusters_page(calls, found, vectors), "utf-8")
    with browse(page, tmp_path) as browser:
        from selenium.webdriver.common.by import By
        from selenium.webdriver.common.keys import Keys

        def count():
            return browser.find_element(By.ID, "count").text

        buttons = browser.find_elements(By.CLASS_NAME, "cluster")
        assert len(buttons) == len(found.clusters)
        buttons[0].click()
        assert count() == f"{found.clusters[0].size} selected"
        browser.find_element(By.CSS_SELECTOR, "#show option[value=bad]").click()
        assert count() == f"{found.clusters[0].bad.hits} selected"
        browser.find_element(By.ID, "export").click()
        exported = tmp_path / "selection.jsonl"
        until = time.monotonic() + 10
        while not exported.exists() and time.monotonic() < until:
            time.sleep(0.05)
        rows = [json.loads(line) for line in exported.read_text().splitlines()]
        assert len(rows) == found.clusters[0].bad.hits
        assert {row["cluster"] for row in rows} == {found.clusters[0].number}
        browser.find_element(By.ID, "clear").click()
        assert count() == "Nothing selected"
        canvas = browser.find_element(By.ID, "map")
        canvas.send_keys(Keys.ARROW_RIGHT)
        assert count() == "1 selected"
        canvas.send_keys(Keys.ESCAPE)
        from selenium.webdriver import ActionChains

        width, height = canvas.size["width"], canvas.size["height"]
        drag = ActionChains(browser).move_to_element_with_offset(canvas, -width // 2 + 2, -height // 2 + 2)
        drag.click_and_hold().move_by_offset(width - 5, height - 5).release().perform()
        assert count() == f"{len(calls)} selected"
        browser.save_screenshot(str(tmp_path / "page.png"))


def test_what_users_wrote_cannot_end_the_script():
    calls = points(12)
    calls[0].prompt = "</script><script>alert(1)</script> \u2028"
    calls = [*calls, *points(12)]
    chance = random.Random(0)
    vectors = np.array([[chance.random(), chance.random()] for _ in calls], np.float32)
    page = clusters_page(calls, find_problems(calls, vectors), vectors)
    assert page.count("</script>") == 2
