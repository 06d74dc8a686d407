"""Pictures: valid Vega-Lite, the numbers that went in, the same bytes twice, words for screen readers."""

import re
from xml.etree import ElementTree

import altair
import pytest

from metanas.evaluation.charts.budget import CANDIDATE, Spent, budgets
from metanas.evaluation.charts.critical import critical, groups
from metanas.evaluation.charts.curves import Step, curves
from metanas.evaluation.charts.forest import Difference, forest, scatter
from metanas.evaluation.charts.heatmap import heatmap, written
from metanas.evaluation.charts.pareto import Point, front, pareto
from metanas.evaluation.charts.plane import Place, plane
from metanas.evaluation.charts.theme import PALETTE, Spec, config, svg
from metanas.evaluation.statistics import Interval
from metanas.evaluation.transfer import Cell

POINTS = [Point("small", 50, 48, 52, 10), Point("large", 70, 69, 71, 1000), Point("worse", 60, 58, 62, 2000)]
HEADS = {"a": "a (synthetic)"}


def cell(train: str, accuracy: float, gap: float | None = None, p: float | None = None) -> Cell:
    """A cell of the column a; intervals reach 0.02 to both sides."""
    near, far = (None if v is None else Interval(v, v - 0.02, v + 0.02, "") for v in (accuracy, gap))
    assert near is not None
    return Cell(train, "a", near, far, p)


CELLS = [cell("a", 0.60), cell("b", 0.55, -0.05, 0.01)]
UNCLEAR = cell("c", 0.59, -0.01, 0.3)
PLACES = [Place("a", "a/5w1s", 0, 3.0, 4.0), Place("b", "b/5w1s", 1, 3.1, 4.1)]
SPECS = {
    "pareto": pareto("Accuracy and parameters", POINTS, "parameters"),
    "heatmap": heatmap("Transfer", CELLS, HEADS),
    "critical": critical("Critical difference", {"a": 1.2, "b": 1.8, "c": 3.0}, 1.0),
    "plane": plane("Map", PLACES, (0.7, 0.2)),
    "curves": curves("Adaptation", [Step("digits/5w1s", s, 20 + s, 19 + s, 21 + s) for s in (0, 1, 5)], 20),
    "forest": forest("Differences", [Difference("digits/5w1s", "a - b", 1.5, 0.5, 2.5, 0.01)], 0.5),
    "forest of pairs": forest(
        "Differences",
        [Difference("digits/5w1s", pair, 1.5, 0.5, 2.5, 0.01) for pair in ("a - b", "a - c")],
        0.5,
    ),
    "budgets": budgets(
        "Limits",
        [Spent("digits", rule, 9e5, cost, 60, 58, 62) for rule, cost in (("chosen", 5e5), (CANDIDATE, 7e5))],
        "MACs per query",
    ),
    "scatter": scatter("Episodes", "a", "b", [("digits/5w1s", 40.0, 60.0)]),
}


@pytest.mark.parametrize("name", list(SPECS))
class TestPicture:
    def test_it_is_valid_vega_lite_with_its_data_inline(self, name: str) -> None:
        altair.Chart.from_dict({**SPECS[name], "config": config("dark")}, validate=True)
        assert "url" not in str(SPECS[name].get("data"))

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_its_svg_has_words_and_is_the_same_twice(self, name: str, theme: str) -> None:
        first, second = svg(SPECS[name], theme), svg(SPECS[name], theme)  # type: ignore[arg-type]
        assert first == second
        root = ElementTree.fromstring(first)
        words = {child.tag.rpartition("}")[2]: child.text for child in root[:2]}
        assert words == {"title": SPECS[name]["title"]["text"], "desc": SPECS[name]["description"]}
        hosts = set(re.findall(r"https?://([^/\"']+)", first))
        assert hosts <= {"www.w3.org"}, "names of formats only"


def test_the_front_is_what_nothing_beats() -> None:
    assert front(POINTS) == {"small", "large"}
    twins = [Point("x", 50, 0, 0, 1), Point("y", 50, 0, 0, 1), Point("z", 50, 0, 0, 2)]
    assert front(twins) == {"x", "y"}, "equals stay, the same for more does not"


def test_a_cost_of_zero_has_no_place_on_a_log_axis() -> None:
    with pytest.raises(ValueError, match="costs must be positive to stand on a log axis, free has none"):
        pareto("t", [Point("free", 50, 49, 51, 0)], "parameters")


def test_bars_join_the_longest_runs_within_the_critical_difference() -> None:
    ranks = {"a": 1.0, "b": 1.8, "c": 2.5, "d": 4.0}
    assert groups(ranks, 1.0) == [("a", "b"), ("b", "c")]
    assert groups(ranks, 0.5) == []
    assert groups(ranks, 3.0) == [("a", "b", "c", "d")]


def test_cells_say_in_words_what_colour_says() -> None:
    assert [written(found) for found in (*CELLS, UNCLEAR)] == ["60.0", "-5.0", "-1.0 ns"]
    drawn = svg(heatmap("Transfer", [*CELLS, UNCLEAR], HEADS))
    for words in ("[58.0, 62.0]", "[-7.0, -3.0]", "[-3.0, +1.0]", "a (synthetic)"):
        assert words in drawn, words


def test_what_is_not_significant_is_hatched_and_nothing_else() -> None:
    assert "linearGradient" not in svg(heatmap("Transfer", CELLS, HEADS)).partition("role-legend")[0]
    hatched = svg(heatmap("Transfer", [*CELLS, UNCLEAR], HEADS))
    assert len(re.findall(r'<path [^>]*fill="url\(#gradient', hatched.partition("role-legend")[0])) == 1


def test_the_map_has_one_legend_and_axes_around_its_points() -> None:
    drawn = svg(SPECS["plane"])
    assert drawn.count("role-legend-entry") == 1
    assert not re.search(r">0(\.0+)?</text>", drawn), "points at 3 and 4 need no axis from zero"


def test_colours_differ_in_lightness_too() -> None:
    """Greyscale tells the first four apart: relative luminance (WCAG 2) differs by at least 0.02."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    found = sorted(map(luminance, PALETTE[:4]))
    assert min(b - a for a, b in zip(found, found[1:], strict=False)) > 0.02


def rows(spec: Spec) -> list[dict[str, object]]:
    values: list[dict[str, object]] = spec["data"]["values"]
    return values


def test_the_numbers_of_a_picture_are_those_that_went_in() -> None:
    assert {r["method"]: r["accuracy"] for r in rows(SPECS["pareto"])} == {
        p.method: p.accuracy for p in POINTS
    }
    assert rows(SPECS["forest"])[0]["mean"] == 1.5
    assert [r["rank"] for r in rows(SPECS["critical"]) if r["kind"] == "method"] == [1.2, 1.8, 3.0]
