"""Every HTML report in a real browser: nothing is wider than a phone or a laptop, and every cell says what it is."""

import shutil

import pytest
from run_folders import line, make_run

pytest.importorskip("playwright", reason="pages in a browser need the package playwright")
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")
BENCHMARKS = {
    "mmlu_pro_computer_science_and_engineering_zeroshot_chain_of_thought": 120,
    "gsm8k": 60,
    "bigbench/causal": 9,
}
# How far the page, what is in it, and the tables that may be scrolled are wider than there is room.
WIDE = """() => [document.documentElement.scrollWidth - innerWidth,
  ...[...document.querySelectorAll('body *')].filter(e => !e.closest('svg'))
     .map(e => e.getBoundingClientRect().right - innerWidth),
  ...[...document.querySelectorAll('.scroll')].map(e => e.scrollWidth - e.clientWidth)]"""


def answers(good):
    return [
        line(name, f"{'high_school_physics_and_chemistry' if i % 2 else 'law'}/{i}", "correct" if right else "wrong",
             float(right), text=f"https://example.com/{'x' * 300} {'a long answer ' * 40}")
        for name, items in BENCHMARKS.items()
        for i in range(items)
        for right in [i % 10 < good]
    ]  # fmt: skip


@pytest.fixture
def pages(evalh, tmp_path):
    """A page of each kind, by its name."""
    long = "a_model_with_a_rather_long_name-finetuned-v2.1-checkpoint-12000"
    for name, good in (("base", 8), (long, 5)):
        make_run(tmp_path / "runs" / name, lines=answers(good))
    first = next(iter(BENCHMARKS))
    evalh("compare", "base", long, "--html", "comparison.html")
    evalh("report", long, "-f", "html", "-o", "run.html")
    evalh("history", first, "--output", "history.html")
    evalh("leaderboard", "base", long, "--output", "leaderboard.html")
    models = "".join(f"  - {{name: {name}, model: echo}}\n" for name in (long, "echo"))
    benchmarks = "".join(f"  - {{benchmark: {name}, at_least: 0.99}}\n" for name in ("mmlu", "gsm8k", "truthfulqa"))
    text = f"models:\n{models}benchmarks:\n{benchmarks}options: {{data: sample}}\nno_baseline: pass\n"
    (tmp_path / "suite.yaml").write_text(text)
    assert evalh("ci", "suite.yaml").code == 1
    found = {path.stem: path for path in tmp_path.glob("*.html")} | {"suite": tmp_path / "evalh-report/index.html"}
    assert found.keys() == {"comparison", "run", "history", "leaderboard", "suite"}
    return found


@pytest.mark.slow
def test_nothing_is_wider_than_a_phone_or_a_laptop(pages):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        for width in (420, 1200):
            page.set_viewport_size({"width": width, "height": 900})
            for name, path in pages.items():
                page.goto(path.as_uri())
                for opened in page.query_selector_all("details"):
                    opened.evaluate("e => e.open = true")
                beyond = max(page.evaluate(WIDE))
                assert beyond <= 0, f"{name} is {beyond:.0f} pixels wider than a page of {width}"
                heads = page.evaluate("getComputedStyle(document.querySelector('thead')).display")
                assert (heads == "none") is (width == 420), "a narrow page has a card for each row"
        browser.close()
