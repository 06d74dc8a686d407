"""Accuracy against cost with the Pareto front: the methods that no other beats in both."""

from dataclasses import dataclass

from metanas.base.errors import InvalidValue
from metanas.evaluation.charts.theme import BLUE, Spec, figure

# The wheel zooms with Shift, and scrolls the page without; dragging moves, a double click resets.
ZOOM = {
    "name": "zoom",
    "select": {"type": "interval", "zoom": "wheel![event.shiftKey]"},
    "bind": "scales",
}


@dataclass(frozen=True)
class Point:
    """A method: accuracy with its interval in %, and a positive cost in the unit of the axis."""

    method: str
    accuracy: float
    low: float
    high: float
    cost: float


def front(points: list[Point]) -> set[str]:
    """Methods that no other beats in accuracy at the same or a lower cost, or equals at a lower one."""
    return {
        p.method
        for p in points
        if not any(
            (q.accuracy >= p.accuracy and q.cost <= p.cost) and (q.accuracy > p.accuracy or q.cost < p.cost)
            for q in points
        )
    }


def pareto(title: str, points: list[Point], cost: str) -> Spec:
    """The chart: the front in colour and joined by steps, dominated methods in grey; costs on a log axis.

    cost: the title of the axis with its unit. InvalidValue for a cost that is not positive.
    """
    if free := [p.method for p in points if p.cost <= 0]:
        raise InvalidValue(f"costs must be positive to stand on a log axis, {free[0]} has none")
    best = front(points)
    ordered = sorted(points, key=lambda p: (p.cost, -p.accuracy, p.method))
    rows = [
        {
            "method": p.method,
            "accuracy": p.accuracy,
            "low": p.low,
            "high": p.high,
            "cost": p.cost,
            "place": "on the front" if p.method in best else "dominated",
        }
        for p in ordered
    ]
    units = {"format": "~s" if min(p.cost for p in points) >= 1 else "~g"}  # 2T, but not 500m for 0.5
    x = {"field": "cost", "type": "quantitative", "scale": {"type": "log"}, "axis": units, "title": cost}
    y = {"field": "accuracy", "type": "quantitative", "scale": {"zero": False}, "title": "accuracy, %"}
    places = {"field": "place", "type": "nominal", "legend": {"title": None, "orient": "top"}}
    order = ["on the front", "dominated"]
    colour = {**places, "scale": {"domain": order, "range": [BLUE, "#8a949e"]}}
    shape = {**places, "scale": {"domain": order, "range": ["circle", "square"]}}
    tooltip = [{"field": name, "type": "nominal"} for name in ("method", "place")] + [
        {"field": name, "type": "quantitative", "format": number_format}
        for name, number_format in (("accuracy", ".1f"), ("low", ".1f"), ("high", ".1f"), ("cost", ",.3~g"))
    ]
    on_front = {"filter": "datum.place == 'on the front'"}
    names = {
        "mark": {"type": "text", "align": "left", "dx": 9, "dy": -8},
        "encoding": {"x": x, "y": y, "text": {"field": "method", "type": "nominal"}},
    }
    return figure(
        title,
        f"{len(best)} of {len(points)} methods are on the front: {', '.join(sorted(best)[:12])}.",
        rows,
        width="container",
        height=360,
        layer=[
            {
                "transform": [on_front],
                "mark": {"type": "line", "interpolate": "step-after", "color": BLUE, "opacity": 0.5},
                "encoding": {"x": x, "y": y},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.6},
                "encoding": {
                    "x": x,
                    "y": {**y, "field": "low"},
                    "y2": {"field": "high"},
                    "color": colour,
                },
            },
            {
                "params": [ZOOM],
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 1},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": colour,
                    "shape": shape,
                    "tooltip": tooltip,
                },
            },
            names if len(points) <= 20 else {**names, "transform": [on_front]},
        ],
    )
