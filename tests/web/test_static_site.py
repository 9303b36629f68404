"""`evalh view export`: files that open from a disk, with no link that leads nowhere."""

import re
from html import unescape

import pytest
from run_folders import line, make_run


def test_a_site_has_every_page_and_no_dead_link(runs, tmp_path, evalh):
    said = evalh("view", "export", runs / "base", runs / "tuned", runs / "other", tmp_path / "site", "--results", 5)
    assert said.code == 0, said.err
    files = {file.name: file.read_text() for file in (tmp_path / "site").iterdir()}
    assert f"{len(files)} files" in said.out and "index.html" in files
    for name, text in files.items():
        links = {unescape(link).partition("#")[0] for link in re.findall(r'href="([^"]*)"', text)}
        dead = [link for link in links if link and not link.startswith("data:") and link not in files]
        assert dead == [], name
        assert not re.search(r'(?:src|action)="(?!data:)', text) and "http" not in "".join(links), name
    kinds = {name.partition("-")[0].removesuffix(".html") for name in files}
    assert kinds == {"index", "run", "item", "compare", "matrix"}
    items = [text for name, text in files.items() if name.startswith("item-")]
    assert any("<mark>B</mark>" in text for text in items)


def test_the_page_s_policy_lets_nothing_else_run(runs, tmp_path, evalh):
    assert evalh("view", "export", runs / "base", tmp_path / "site", "--results", 2).code == 0
    text = (tmp_path / "site" / "index.html").read_text()
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy and policy.count("'sha256-") == 2
    assert text.count("<script") == 1 and text.count("<style") == 1


def test_hostile_texts_are_text_in_files_too(tmp_path, evalh):
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    make_run(tmp_path / "runs" / "x", lines=[line("quiz", bad, "wrong", 0.0, text=bad, question=bad)],
             model={"name": bad, "fingerprint": "x"})  # fmt: skip
    assert evalh("view", "export", tmp_path / "site").code == 0
    for file in (tmp_path / "site").iterdir():
        assert "alert(1)</script>" not in file.read_text() and "<img src=x" not in file.read_text()


@pytest.mark.parametrize("there", ["file", "full"])
def test_nothing_is_overwritten(runs, tmp_path, evalh, there):
    site = tmp_path / "site"
    if there == "file":
        site.write_text("mine")
    else:
        site.mkdir()
        (site / "mine.txt").write_text("mine")
    said = evalh("view", "export", runs / "base", site)
    assert said.code == 2 and "there is something already" in said.err and said.err.count("\n") == 1
    assert evalh("view", "export").code == 2
