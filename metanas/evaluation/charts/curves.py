"""Adaptation curves: accuracy after 0, 1, 2, 5, ... adaptation steps, with a band over episodes."""

from dataclasses import dataclass

from metanas.evaluation.charts.theme import Spec, figure


@dataclass(frozen=True)
class Step:
    """Accuracy after `step` inner steps on a task and its interval, in %."""

    task: str
    step: int
    accuracy: float
    low: float
    high: float


def curves(title: str, steps: list[Step], chance: float) -> Spec:
    """One small panel per task; the dashed line is `chance` (in %)."""
    rows = [vars(step) for step in steps]
    x = {"field": "step", "type": "quantitative", "title": "adaptation steps", "axis": {"tickMinStep": 1}}
    y = {"field": "accuracy", "type": "quantitative", "title": "accuracy, %", "scale": {"zero": False}}
    tasks = list(dict.fromkeys(step.task for step in steps))
    tooltip = [{"field": "step", "type": "quantitative"}] + [
        {"field": name, "type": "quantitative", "format": ".1f"} for name in ("accuracy", "low", "high")
    ]
    return figure(
        title,
        f"Accuracy by adaptation step on {len(tasks)} tasks: {', '.join(tasks)}.",
        rows,
        facet={"field": "task", "type": "nominal", "sort": tasks, "title": None},
        columns=3,
        spec={
            "width": 230,
            "height": 150,
            "layer": [
                {
                    "mark": {"type": "area", "opacity": 0.25},
                    "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
                },
                {
                    "mark": {"type": "line", "point": True},
                    "encoding": {"x": x, "y": y, "tooltip": tooltip},
                },
                {
                    "mark": {"type": "rule", "strokeDash": [4, 3]},
                    "encoding": {"y": {"datum": chance, "type": "quantitative"}},
                },
            ],
        },
    )
