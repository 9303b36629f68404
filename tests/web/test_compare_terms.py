"""Runs that differ in how they were asked: what may differ is chosen on the page, stands in the address, and in the
command that makes the comparison again."""

import re
import shlex

from run_folders import letters, make_run
from web_pages import client_of, text_of

from evalharness.web.application import view_application
from evalharness.web.guard import GuardTerms
from evalharness.web.run_library import RunLibrary, run_key


def opened(folder, **runs):
    for name, more in runs.items():
        make_run(folder / name, lines=letters("quiz", "1100" * 20) + more.pop("lines", []), **more)
    return client_of(view_application(RunLibrary([], folder), GuardTerms())), [run_key(folder / name) for name in runs]


def command(page):
    return shlex.split(re.search(r"again: ([^\n]*)", text_of(page))[1])


def test_what_differs_is_allowed_on_the_page_and_named_in_the_command(tmp_path, evalh):
    client, keys = opened(tmp_path, one={}, two={"sampling": {"temperature": 0.7}})
    at = f"/compare?run={keys[0]}&run={keys[1]}"
    page = client.get(at)
    assert "sampling differs" in text_of(page) and "--allow-mismatch" not in command(page)
    assert evalh(*command(page)[1:]).code == 4
    found = re.search(r'href="([^"]*)">Compare all the same, with sampling allowed', page.text)[1].replace("&amp;", "&")
    assert found.endswith("&allow=sampling")
    page = client.get(found)
    assert "Compare all the same" not in page.text and 'value="sampling" checked' in page.text
    assert command(page)[-2:] == ["--allow-mismatch", "sampling"] and "benchmarks" not in command(page)
    assert evalh(*command(page)[1:]).code == 0
    tabs = re.findall(r'class="chip"[^>]*href="([^"]*)"', page.text)
    assert tabs and all("allow=sampling" in tab for tab in tabs), "every state is an address"
    assert "allow=sampling" in str(client.get(f"{found}&swap=1").url)
    assert client.get(f"{at}&allow=nothing&allow=%00&allow=benchmarks").status_code == 200


def test_benchmarks_are_allowed_to_differ_where_they_do(tmp_path, evalh):
    client, keys = opened(tmp_path, one={"lines": letters("maths", "1100")}, two={"facts": {"shots": 5}})
    page = client.get(f"/compare?run={keys[0]}&run={keys[1]}&allow=shots")
    assert command(page)[-4:] == ["--allow-mismatch", "benchmarks", "--allow-mismatch", "shots"]
    assert evalh(*command(page)[1:]).code == 0


def test_runs_that_cannot_be_compared_are_not_ranked(tmp_path):
    drawn = [{"sampling": {"temperature": t}} for t in (0.0, 0.5, 1.0)]
    client, keys = opened(tmp_path, one=drawn[0], two=drawn[1], three=drawn[2])
    page = client.get("/compare?" + "&".join(f"run={key}" for key in keys))
    said = text_of(page)
    assert said.count("not comparable") == 6 and "Nothing is ranked: no two of these runs can be compared" in said
    assert "paired by item" not in said and 'aria-label="Ranks"' not in page.text
    cell = re.search(r'data-row href="([^"]*)"[^>]*>not comparable', page.text)[1].replace("&amp;", "&")
    assert "Compare all the same" in client.get(cell).text, "each cell opens the comparison"


def test_a_run_beside_itself_is_not_compared(tmp_path):
    client, (key,) = opened(tmp_path, one={})
    page = client.get(f"/compare?run={key}&run={key}")
    assert page.status_code == 400 and "not compared with itself" in page.text
