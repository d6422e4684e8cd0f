"""The page of a report, in a real browser: by mouse and keyboard, light and dark, and nothing of the data runs."""

from __future__ import annotations

import re

import pytest
from spans_of_a_shop import call, shop

from browser import browse
from callspan.cli import main
from callspan.reports.page import for_script, page_of
from span_files import write

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    out = folder / "report.html"
    assert main(["report", str(shop(folder)), "--html", str(out), "--processes", "1"]) == 0
    return out


def by(browser, selector):
    return browser.find_elements("css selector", selector)


def visible(browser, selector):
    return [element for element in by(browser, selector) if element.is_displayed()]


def test_the_overview_has_the_figures(page, tmp_path):
    with browse(page, tmp_path) as browser:
        cards = {
            card.find_element("css selector", "small").text: card.find_element("css selector", "b").text
            for card in by(browser, ".card")
        }
        assert (cards["traces"], cards["spans"], cards["failed roots"], cards["p50"]) == ("4", "8", "1", "255 ms")
        prompts = [
            row.text for row in by(browser, "section[aria-label], section tbody tr") if row.text.startswith("naming")
        ]
        assert prompts == [
            "naming v1 2 1 (50.0 %) 250 ms 385 ms 397 ms 25 ms 15 4 helpful 0.00 (1)",
            "naming v2 2 250 ms 295 ms 299 ms 50 14 helpful 1.00 (1)",
        ]


def test_the_keyboard_reaches_everything(page, tmp_path):
    keys = pytest.importorskip("selenium.webdriver.common.keys").Keys
    with browse(page, tmp_path) as browser:
        (tab,) = by(browser, "[role=tab][aria-selected=true]")
        tab.send_keys(keys.ARROW_RIGHT, keys.ARROW_RIGHT)
        assert browser.switch_to.active_element.text == "Traces"
        (panel,) = visible(browser, "[role=tabpanel]")
        browser.switch_to.active_element.send_keys(keys.END)
        assert browser.switch_to.active_element.text == "Feedback"
        browser.switch_to.active_element.send_keys(
            keys.HOME, keys.ARROW_RIGHT, keys.ARROW_RIGHT, keys.TAB, keys.TAB, keys.TAB
        )
        browser.switch_to.active_element.send_keys(keys.ENTER)  # the first trace opens
        assert [trace.get_attribute("open") for trace in by(panel, "details")] == ["true", None, None, None]
        browser.switch_to.active_element.send_keys(keys.TAB)
        browser.switch_to.active_element.send_keys(keys.ENTER)  # and its first span
        assert browser.switch_to.active_element.get_attribute("aria-expanded") == "true"


def test_a_table_sorts_by_a_click_on_its_head(page, tmp_path):
    with browse(page, tmp_path) as browser:
        names = lambda: [row.text.split()[0] for row in by(by(browser, "[aria-label='By kind']")[0], "tbody tr")]
        assert names() == ["llm", "chain", "retriever"]
        head = by(by(browser, "[aria-label='By kind']")[0], "th")[3]
        by(head, "button")[0].click()
        assert (names(), head.get_attribute("aria-sort")) == (["llm", "chain", "retriever"], "descending")
        by(head, "button")[0].click()
        assert (names(), head.get_attribute("aria-sort")) == (["retriever", "chain", "llm"], "ascending")


def test_waterfall_chat_and_documents(page, tmp_path):
    with browse(page, tmp_path) as browser:
        for tab in by(browser, "[role=tab]"):
            tab.click()
            for closed in visible(browser, "details > summary"):
                closed.click()
        tabs = {tab.text: tab for tab in by(browser, "[role=tab]")}
        tabs["Traces"].click()
        first = next(trace for trace in visible(browser, "details") if "answer" in trace.text)
        assert [name.text for name in by(first, ".span .name")] == [
            "chain answer",
            "retriever search",
            "llm chat gpt-4o",
        ]
        lanes = [lane.rect for lane in by(first, ".lane i")]
        assert lanes[0]["width"] / lanes[2]["width"] == pytest.approx(1.5, rel=0.05)  # 150 ms to 100
        tabs["Conversations"].click()
        assert [bubble.text for bubble in visible(browser, ".bubble")] == [
            "What do I call my shop?",
            "Sockrates",
            "Another one?",
            "Solemate",
        ]
        assert [tag.text for tag in visible(browser, ".given .tag")] == ["helpful 0 down: Too silly.", "helpful 1 up"]
        tabs["Retrieval"].click()
        assert visible(browser, ".score")[0].text == "0.9\nd-1\nSocks ship in two days."


def test_search_leaves_what_was_found(page, tmp_path):
    with browse(page, tmp_path) as browser:
        next(tab for tab in by(browser, "[role=tab]") if tab.text == "Calls").click()
        by(browser, "#search")[0].send_keys("solemate")
        assert len(visible(browser, "details")) == 2  # the same call among the slowest and the dearest


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark(page, tmp_path, dark):
    back = lambda: browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    with browse(page, tmp_path, dark=dark) as browser:
        light, night = "rgb(255, 255, 255)", "rgb(20, 23, 26)"
        assert back() == (night if dark else light)
        by(browser, "#theme")[0].click()
        assert back() == (light if dark else night)


def test_texts_of_models_are_never_markup(tmp_path):
    evil = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\ud83d\u2028"
    spans = write(
        tmp_path / "spans.jsonl", [call(1, 1, 10, "v1", (1, 1), evil, question=evil, conversation_id=evil[:30], step=1)]
    )
    out = tmp_path / "evil.html"
    assert main(["report", str(spans), "--html", str(out), "--processes", "1"]) == 0
    assert len(re.findall("</script>", out.read_text("utf-8"))) == 2
    with browse(out, tmp_path) as browser:
        for tab in by(browser, "[role=tab]"):
            tab.click()
        assert browser.title == "callspan report: spans.jsonl"
        assert by(browser, "img") == []


def test_a_narrow_window_does_not_scroll_sideways(page, tmp_path):
    with browse(page, tmp_path) as browser:
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        )
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 400


def test_the_page_loads_nothing_and_names_its_title():
    text = page_of({"a": "<b>"}, "x < y")
    assert "<title>callspan report: x &lt; y</title>" in text
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text)
    assert for_script({"a": "\u2028"}) == '{"a":"\\u2028"}'
