"""Figures for people: drawn for pages and in characters, from comparisons, runs, ladders and uncertainties."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from run_folders import line, make_run, write_run

from evalharness.report import figures
from evalharness.report.drawn_figures import run_figures
from evalharness.report.figures import Curve, ForestRow, forest_plot
from evalharness.runs.store import Run
from evalharness.scoring.calibration import reliability

NASTY = '<script>"&\x1b[31m name that is far too long for its column'


def drawn():
    bins = reliability([(place / 200, float(place % 3 > 0)) for place in range(200)])
    return {
        "forest": figures.forest_plot(
            "t", [ForestRow(name=NASTY, low=-0.1, value=0.0, high=0.2), ForestRow(name="b", low=1, value=1, high=1)],
            zero=True, scale=100,
        ),
        "calibration": figures.calibration_plot("t", bins),
        "flips": figures.flip_matrix("t", ((90, 4), (6, 0))),
        "difficulty": figures.difficulty_curves("t", [Curve(name=NASTY, points=((0, 0), (0.5, 0.4), (1, 1)))]),
        "variance": figures.variance_parts("t", [("sampling", 0.03), (NASTY, 0.0)]),
        "no row": figures.forest_plot("t", []),
        "nothing varies": figures.variance_parts("t", [("sampling", 0.0)]),
    }  # fmt: skip


@pytest.mark.parametrize("kind", drawn())
def test_a_figure_is_well_formed_has_words_for_who_cannot_see_it_and_stays_in_its_frame(kind):
    made = drawn()[kind]
    root = ET.fromstring(str(made.svg))
    assert root.get("aria-label") is not None
    _, _, width, height = map(float, root.get("viewBox").split())
    assert width <= 380, "on a phone it would be made smaller, and its words with it"
    for one in root:
        for key in ("x", "x1", "x2", "cx"):
            assert -1 <= float(one.get(key, 0)) <= width, (kind, one.attrib)
        for key in ("y", "y1", "y2", "cy"):
            assert -1 <= float(one.get(key, 0)) <= height, (kind, one.attrib)
        assert one.get("style") is None
        assert one.get("onload") is None
    assert "script" not in {one.tag for one in root.iter()}
    assert "\x1b" not in str(made.svg) + "".join(made.text)
    assert "\x1b" not in figures.text_figures([made])


def test_names_beside_curves_that_end_alike_are_not_written_over_each_other():
    many = [Curve(name=f"m{n}", points=((0, 0), (1, 0.9 if n % 2 else 0.1))) for n in range(30)]
    root = ET.fromstring(str(figures.difficulty_curves("t", many).svg))
    heights = sorted(float(one.get("y")) for one in root if (one.text or "").startswith("m"))
    assert len(heights) == 30
    assert all(later - earlier >= 12 for earlier, later in pairwise(heights))
    assert 0 <= heights[0] <= heights[-1] <= float(root.get("height"))


def test_the_characters_say_the_numbers():
    found = drawn()
    assert "broke" in found["flips"].text[1]
    assert found["flips"].text[1].endswith(" 4")
    assert "3.00 points, 100 %" in found["variance"].text[0]
    assert "-10" in found["forest"].text[0] or "−10" in found["forest"].text[0]
    assert len(found["calibration"].text) == 10
    assert all(0 <= one.low <= one.accuracy <= one.high <= 1 for one in reliability([(0.5, 1.0)] * 25))
    assert sum(one.n for one in reliability([(0.1, 0.0), (0.9, 1.0)] * 17)) == 34


def test_a_comparison_and_a_run_have_them_in_page_and_terminal(tmp_path, evalh):
    base = make_run(tmp_path / "a", "1" * 60 + "0" * 40)
    new = make_run(tmp_path / "b", "1" * 50 + "0" * 10 + "1" * 20 + "0" * 20)
    assert evalh("compare", base, new, "--report", "rep").code == 0
    said = evalh("report", "rep/report.json", "--format", "figures").out
    cells = [row.rsplit(" ", 1)[1] for row in said.splitlines() if row.startswith(("right", "broke", "fixed", "wrong"))]
    assert cells == ["50", "10", "20", "20"]
    page = (tmp_path / "rep/index.html").read_text()
    assert page.count('<svg class="figure"') == 1
    assert "what became of each item" in page
    two = write_run(tmp_path / "two", [line(name, f"{name}/{i}", "correct", 1.0) for name in "xy" for i in range(30)])
    assert "Headlines" in evalh("report", two, "--format", "figures").out
    assert "Headlines" in evalh("report", two, "--format", "html").out
    ranked = [
        line("x", f"x/{i}", "correct", 1.0) | {"response": {"logprobs": [-0.1 - i / 99, -2.0]}} for i in range(40)
    ]
    assert "as often as it is sure" in evalh("report", write_run(tmp_path / "r", ranked), "--format", "html").out
    odd = [line("x", f"x/{i}", "correct", 1.0) | {"response": {"logprobs": [-1, "a"]}} for i in range(40)]
    assert run_figures(Run(write_run(tmp_path / "odd", odd))) == []


def test_ladders_and_uncertainties_are_written_as_pages(tmp_path, evalh):
    runs = [make_run(tmp_path / f"m{n}", "1" * (30 + 10 * n) + "0" * (70 - 10 * n)) for n in range(4)]
    said = evalh("scaling", *runs, "--html", "ladder.html", "--json")
    assert said.code == 0, said
    curve = said.json["ladders"][0]["curves"]["m0"]
    assert curve[0] == [0.0, 0.0]
    assert curve[-1] == [1.0, 0.75]
    page = (tmp_path / "ladder.html").read_text()
    assert page.count('<svg class="figure"') == 2
    assert "right answers by difficulty" in page
    assert evalh("uncertainty", runs[0], "--html", "u.html").code == 0
    assert "where the uncertainty comes from" in (tmp_path / "u.html").read_text()
    assert evalh("uncertainty", runs[0], "--html", "no/such/folder/u.html").code == 2


def test_axes_have_few_round_numbers_that_hold_everything():
    drawing = forest_plot("t", [ForestRow(name="a", low=0.0, value=0.665, high=0.877)], zero=True, scale=100)
    assert drawing.note.endswith("from 0 to 100") and re.findall(r">(\d+)</text>", drawing.svg) == ["0", "50", "100"]
    shares = forest_plot("t", [ForestRow(name="a", low=0.803, value=0.9, high=0.972)])
    assert re.findall(r">([\d.]+)</text>", shares.svg) == ["0.80", "0.85", "0.90", "0.95", "1.00"]
    for low, high in ((0.0, 0.0), (1.0, 1.0), (-1e-320, 0.0), (-1e300, 1e300), (0.5, 0.5 + 1e-12)):
        forest_plot("t", [ForestRow(name="a", low=low, value=low, high=high)])


def test_no_line_goes_through_a_name():
    rows = [ForestRow(name="a long name", low=-1.0, value=0.0, high=1.0), ForestRow(name="b", low=0, value=0, high=1)]
    svg = forest_plot("t", rows, zero=True).svg
    names = [float(y) for y in re.findall(r'y="([\d.]+)" text-anchor="start"', svg)]
    drawn = re.findall(r'class="(?:zero|grid)"[^>]* y1="([\d.]+)"[^>]* y2="([\d.]+)"', svg)
    lines = [(float(top), float(end)) for top, end in drawn]
    assert names and lines
    assert all(end <= y - 10 or top >= y for y in names for top, end in lines)
