"""The documentation: its links lead somewhere, every page is on the site, and the first hour runs as it is written."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import yaml

from evalharness import plugins

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))


def anchors(page):
    """The anchors of a page's headings, as GitHub and mkdocs make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    plain = (re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title)).strip().lower() for title in titles)
    return {re.sub(r" ", "-", title) for title in plain} | {re.sub(r"[ -]+", "-", title) for title in plain}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file) if file else page
        assert there.exists(), f"{page.name}: {target}"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), f"{page.name}: {target}"
        if page in PAGES:
            assert there.parent == page.parent, f"{page.name}: {target} is not on the site"


def named(entry):
    """The pages that a part of the site's navigation names."""
    if isinstance(entry, str):
        return [entry]
    return [page for part in (entry if isinstance(entry, list) else entry.values()) for page in named(part)]


def test_every_page_is_on_the_site_once():
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert sorted(named(site["nav"])) == [page.name for page in PAGES]
    assert site["theme"]["font"] is False, "the site asks no other host for its fonts"


def test_llms_txt_names_every_page():
    said = (ROOT / "docs/llms.txt").read_text()
    assert [page.name for page in PAGES if f"({page.name})" not in said] == []


def test_the_first_hour_runs_as_it_is_written(evalh, monkeypatch):
    """`evalh demo` has a test of its own (tests/commands/test_demo.py)."""
    monkeypatch.setattr(plugins, "_named_files", {})
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/start.md").read_text(), re.S)
    commands = [line for block in blocks for line in block.splitlines() if line != "evalh demo"]
    assert len(commands) >= 8
    for command in commands:
        said = evalh(*shlex.split(command)[1:])
        assert said.code == 0, (command, said.err)


GUIDES = ("air-gapped.md", "published.md", "troubleshooting.md")


@pytest.mark.parametrize("page", GUIDES)
def test_what_a_guide_shows_to_be_typed_runs(page, evalh, monkeypatch):
    """Blocks of `sh` want nothing but the package; those of `console` want a network, a key or a model of yours."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S)
    commands = [line for block in blocks for line in block.splitlines()]
    assert commands
    for command in commands:
        monkeypatch.setattr("sys.argv", words := shlex.split(command))
        said = evalh(*words[1:])
        assert said.code == 0, (command, said.err)


def test_reference_pages_are_what_the_code_says():
    spec = importlib.util.spec_from_file_location("reference_pages", ROOT / "tools" / "reference.py")
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    for name, page in pages.PAGES.items():
        said = (ROOT / "docs" / name).read_text()
        assert said == page().rstrip() + "\n", f"docs/{name}: run python tools/reference.py"
