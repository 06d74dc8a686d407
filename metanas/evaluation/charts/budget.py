"""Accuracy against cost where a choice may cost only so much: a line a rule, and every candidate as a dot."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from metanas.evaluation.charts.theme import PALETTE, SHAPES, Spec, figure

CANDIDATE = "one candidate for all tasks"


@dataclass(frozen=True)
class Spent:
    """What a rule got on a domain under a limit: accuracy with its interval in %, and the mean cost.

    rule: CANDIDATE for a single candidate, which no line joins. limit: the most that a candidate might cost.
    """

    domain: str
    rule: str
    limit: float
    cost: float
    accuracy: float
    low: float
    high: float


def budgets(title: str, spent: Sequence[Spent], cost: str) -> Spec:
    """One panel a domain with axes of its own, costs on a log axis. cost: their title with the unit."""
    rules = list(dict.fromkeys(s.rule for s in spent if s.rule != CANDIDATE))
    domains = list(dict.fromkeys(s.domain for s in spent))
    x = {
        "field": "cost",
        "type": "quantitative",
        "title": cost,
        "scale": {"type": "log", "nice": False, "padding": 12},
        "axis": {"format": "~s", "tickCount": 4, "labelOverlap": "greedy"},
    }
    y = {"field": "accuracy", "type": "quantitative", "title": "accuracy, %", "scale": {"zero": False}}
    by_rule = {
        "field": "rule",
        "type": "nominal",
        "title": None,
        "legend": {"orient": "bottom", "columns": 2},
    }
    colour = {
        **by_rule,
        "scale": {"domain": [*rules, CANDIDATE], "range": [*PALETTE[: len(rules)], "#8a949e"]},
    }
    shape = {**by_rule, "scale": {"domain": [*rules, CANDIDATE], "range": [*SHAPES[: len(rules)], "circle"]}}
    tooltip = [{"field": name, "type": "nominal"} for name in ("domain", "rule")] + [
        {"field": name, "type": "quantitative", "format": number_format}
        for name, number_format in (("accuracy", ".1f"), ("low", ".1f"), ("high", ".1f"), ("cost", ",.3~s"))
    ]
    chosen, single = f"datum.rule != '{CANDIDATE}'", f"datum.rule == '{CANDIDATE}'"
    at = {"x": x, "y": y, "color": colour}
    return figure(
        title,
        "; ".join(
            f"{s.domain}, {s.rule}, {s.cost:.3g}: {s.accuracy:.1f} %" for s in spent if s.rule != CANDIDATE
        ),
        [asdict(s) for s in spent],
        facet={"field": "domain", "type": "nominal", "sort": domains, "title": None},
        columns=3,
        resolve={"scale": {"x": "independent", "y": "independent"}},
        spec={
            "width": 240,
            "height": 220,
            "layer": [
                {
                    "transform": [{"filter": single}],
                    "mark": {"type": "point", "filled": True, "size": 22, "opacity": 0.5},
                    "encoding": {**at, "shape": shape, "tooltip": tooltip},
                },
                {
                    "transform": [{"filter": chosen}],
                    "mark": {"type": "rule", "opacity": 0.5},
                    "encoding": {**at, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
                },
                {
                    "transform": [{"filter": chosen}],
                    "mark": {"type": "line", "opacity": 0.7},
                    "encoding": {**at, "order": {"field": "limit", "type": "quantitative"}},
                },
                {
                    "transform": [{"filter": chosen}],
                    "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
                    "encoding": {**at, "shape": shape, "tooltip": tooltip},
                },
            ],
        },
    )
