"""Makes the README's four pictures of the pages from the runs of a real `evalh demo`.

    evalh demo && python tools/record_browser.py evalh-demo/runs docs

A run and its wrong answers, one result, the two runs compared, a blind vote; each 1,200 x 720. The browser is the
system's Chromium, asked by playwright.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

WIDTH, HEIGHT = 1200, 720
BENCHMARK = "tiny_exam"
EVALH = [sys.executable, "-m", "evalharness"]


@contextmanager
def served(*words: str) -> Iterator[str]:
    """The address of a server that is started by this command, on any free port, and ended behind the block."""
    with subprocess.Popen([*EVALH, *words, "--port", "0"], stdout=subprocess.PIPE, text=True) as server:
        try:
            for line in server.stdout or ():
                if "http://" in line:
                    yield "http://" + line.partition("http://")[2].split()[0].rstrip("/")
                    return
            raise SystemExit(f"{' '.join(words)}: no address was printed")
        finally:
            server.terminate()


def shoot(page: Page, target: Path) -> None:
    """The window as it is, in few colours."""
    page.wait_for_load_state("networkidle")
    page.screenshot(path=target)
    Image.open(target).convert("RGB").quantize(128).save(target, optimize=True)
    print(target, target.stat().st_size)


def view_pages(page: Page, runs: Path, target: Path) -> None:
    with served("view", "--runs", str(runs)) as address:
        page.goto(address)
        page.get_by_role("link", name="tuned", exact=True).first.click()
        page.goto(f"{page.url.partition('?')[0]}?benchmark={BENCHMARK}&status=wrong#results")
        shoot(page, target / "browser-run.png")
        page.locator("a[data-row]").first.click()
        shoot(page, target / "browser-item.png")
        page.goto(f"{address}/?sort=name&up=1")
        for box in page.locator("input[type=checkbox]").all()[:2]:
            box.check()
        page.get_by_role("button", name="Compare what is ticked").click()
        shoot(page, target / "browser-compare.png")


def arena_page(page: Page, runs: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        votes = str(Path(scratch) / "votes.sqlite")
        with served("arena", "serve", "--models", f"{runs}/base,{runs}/tuned", "--database", votes) as address:
            page.goto(address)
            page.get_by_role("checkbox").check()
            page.get_by_role("button").first.click()
            shoot(page, target / "browser-arena.png")


def main(runs: Path, target: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise SystemExit("wanted: chromium on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--no-first-run"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        view_pages(page, runs, target)
        arena_page(page, runs, target)
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
