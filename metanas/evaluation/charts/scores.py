"""Scores with their intervals: one panel per task, one row per method, on one scale."""

from collections.abc import Sequence
from dataclasses import dataclass

from metanas.evaluation.charts.theme import BLUE, Spec, figure


@dataclass(frozen=True)
class Score:
    """A method's accuracy on a task, or the mean over tasks, with its interval, in %."""

    task: str
    method: str
    accuracy: float
    low: float
    high: float


def scores(title: str, values: Sequence[Score]) -> Spec:
    """Points with 95 % intervals; tasks and methods in the order in which they first occur."""
    tasks = list(dict.fromkeys(value.task for value in values))
    methods = list(dict.fromkeys(value.method for value in values))
    rows = [vars(value) for value in values]
    x = {"field": "accuracy", "type": "quantitative", "title": "accuracy, %", "scale": {"zero": False}}
    y = {"field": "method", "type": "nominal", "sort": methods, "title": None}
    tooltip = [{"field": name, "type": "nominal"} for name in ("task", "method")] + [
        {"field": name, "type": "quantitative", "format": ".1f"} for name in ("accuracy", "low", "high")
    ]
    return figure(
        title,
        f"{len(methods)} methods on {len(tasks)} tasks: {', '.join(tasks)}.",
        rows,
        facet={"field": "task", "type": "nominal", "sort": tasks, "title": None},
        columns=2,
        spec={
            "width": 230,
            "height": {"step": 24},
            "layer": [
                {
                    "mark": {"type": "rule", "strokeWidth": 2, "color": BLUE},
                    "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1, "color": BLUE},
                    "encoding": {"x": x, "y": y, "tooltip": tooltip},
                },
            ],
        },
    )
