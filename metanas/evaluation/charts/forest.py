"""Forest plots of paired differences, and scatter plots of the episodes behind them."""

from collections.abc import Sequence
from dataclasses import dataclass

from metanas.evaluation.charts.theme import BLUE, Spec, figure


@dataclass(frozen=True)
class Difference:
    """One paired difference on a task, in points of accuracy; positive: the first method is better."""

    task: str
    pair: str
    mean: float
    low: float
    high: float
    p: float


def forest(title: str, differences: Sequence[Difference], rope: float) -> Spec:
    """Differences with 95 % intervals; the band of +-`rope` points means practically equal."""
    rows = [vars(d) for d in differences]
    tasks = list(dict.fromkeys(d.task for d in differences))
    pairs = list(dict.fromkeys(d.pair for d in differences))
    x = {"field": "mean", "type": "quantitative", "title": "difference, points of accuracy"}
    row, order = ("task", tasks) if len(pairs) == 1 else ("pair", pairs)
    y = {"field": row, "type": "nominal", "sort": order, "title": None, "axis": {"labelLimit": 260}}
    tooltip = [{"field": name, "type": "nominal"} for name in ("task", "pair")] + [
        {"field": name, "type": "quantitative", "format": number_format}
        for name, number_format in (("mean", "+.2f"), ("low", "+.2f"), ("high", "+.2f"), ("p", ".4f"))
    ]
    layer = [
        {
            "data": {"values": [{"rope_low": -rope, "rope_high": rope}]},  # drawn once, not once per row
            "mark": {"type": "rect", "opacity": 0.25, "color": "#8a949e"},
            "encoding": {"x": {**x, "field": "rope_low"}, "x2": {"field": "rope_high"}},
        },
        {
            "mark": {"type": "rule", "strokeDash": [4, 3]},
            "encoding": {"x": {"datum": 0, "type": "quantitative"}},
        },
        {
            "mark": {"type": "rule", "strokeWidth": 2, "color": BLUE},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1, "color": BLUE},
            "encoding": {"x": x, "y": y, "tooltip": tooltip},
        },
    ]
    summary = f"{', '.join(pairs[:6])}, by task; the grey band is practically equal (±{rope} points)."
    if len(pairs) == 1:  # one row per task, as wide as the container
        return figure(title, summary, rows, width="container", height=28 * len(tasks), layer=layer)
    header = {"labelAngle": 0, "labelAlign": "left", "labelOrient": "top", "labelAnchor": "start"}
    return figure(
        title,
        summary,
        rows,
        facet={"row": {"field": "task", "type": "nominal", "sort": tasks, "title": None, "header": header}},
        spec={"width": 460, "height": {"step": 22}, "layer": layer},
    )


def scatter(title: str, first: str, second: str, rows: Sequence[tuple[str, float, float]]) -> Spec:
    """One point per episode; above the diagonal the second method is better.

    rows: (task, accuracy of the first, of the second method), in %.
    """
    values = [{"task": task, "first": a, "second": b} for task, a, b in rows]
    scale = {"domain": [0, 100]}
    task = {"field": "task", "type": "nominal", "legend": {"orient": "bottom", "columns": 2}}
    axis = {
        "x": {"field": "first", "type": "quantitative", "title": f"{first}, %", "scale": scale},
        "y": {"field": "second", "type": "quantitative", "title": f"{second}, %", "scale": scale},
    }
    return figure(
        title,
        f"{len(rows)} episodes; a point is one episode.",
        values,
        width=300,  # fits a phone together with its axis
        height=300,
        layer=[
            {
                "data": {"values": [{"first": 0, "second": 0}, {"first": 100, "second": 100}]},
                "mark": {"type": "line", "strokeDash": [4, 3], "color": "#8a949e"},
                "encoding": axis,
            },
            {
                "mark": {"type": "point", "filled": True, "size": 28, "opacity": 0.55},
                "encoding": {
                    **axis,
                    "color": task,
                    "shape": task,
                },
            },
        ],
    )
