"""Regret of searchers over queries: how far the architecture chosen so far is from the best one."""

from collections.abc import Sequence
from dataclasses import dataclass

from metanas.evaluation.charts.theme import PALETTE, Spec, figure

DASHES = ([1, 0], [6, 3], [2, 2])  # lines of one colour, when there are more searchers than colours


@dataclass(frozen=True)
class Regret:
    """Mean regret of a searcher on a domain after some queries, with its interval over repetitions.

    0 is the best architecture of the table, 1 the mean one.
    """

    searcher: str
    domain: str
    queries: int
    regret: float
    low: float
    high: float


def regret_chart(title: str, regrets: Sequence[Regret]) -> Spec:
    """One panel a domain, one line a searcher with a band; the dashed line at 1 is the mean architecture."""
    searchers = list(dict.fromkeys(point.searcher for point in regrets))
    domains = list(dict.fromkeys(point.domain for point in regrets))
    x = {
        "field": "queries",
        "type": "quantitative",
        "title": "trainings looked at",
        "axis": {"tickCount": 5},
    }
    y = {"field": "regret", "type": "quantitative", "title": "regret on test"}
    by_searcher = {
        "field": "searcher",
        "type": "nominal",
        "title": None,
        "legend": {"symbolType": "stroke", "symbolOpacity": 1, "orient": "bottom", "columns": 5},
    }
    colours = [PALETTE[i % len(PALETTE)] for i in range(len(searchers))]
    dashes = [DASHES[i // len(PALETTE) % len(DASHES)] for i in range(len(searchers))]
    colour = {**by_searcher, "scale": {"domain": searchers, "range": colours}}
    dash = {**by_searcher, "scale": {"domain": searchers, "range": dashes}}
    tooltip = [{"field": "searcher", "type": "nominal"}, {"field": "queries", "type": "quantitative"}] + [
        {"field": name, "type": "quantitative", "format": ".2f"} for name in ("regret", "low", "high")
    ]
    return figure(
        title,
        f"Regret over queries of {', '.join(searchers)} on {', '.join(domains)}; 0 is the best, 1 the mean.",
        [vars(point) for point in regrets],
        facet={"field": "domain", "type": "nominal", "sort": domains, "title": None},
        columns=2,
        spec={
            "width": 300,
            "height": 220,
            "layer": [
                {
                    "mark": {"type": "area", "opacity": 0.12},
                    "encoding": {
                        "x": x,
                        "y": {**y, "field": "low"},
                        "y2": {"field": "high"},
                        "color": colour,
                    },
                },
                {
                    "mark": {"type": "line", "interpolate": "step-after"},
                    "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash, "tooltip": tooltip},
                },
                {
                    "mark": {"type": "rule", "strokeDash": [4, 3]},
                    "encoding": {"y": {"datum": 1, "type": "quantitative"}},
                },
            ],
        },
    )
