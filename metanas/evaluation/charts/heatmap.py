"""The transfer matrix: meta-training set in rows, test domain in columns, the value written in each cell."""

from dataclasses import dataclass

from metanas.evaluation.charts.theme import Spec, figure

# Blue to orange through white, readable to colour-blind readers; the text carries the value anyway.
DIVERGING = ["#0072B2", "#8fbbdb", "#f4f4f4", "#f3c27a", "#D55E00"]
STRIPES = 14  # across a hatched cell


@dataclass(frozen=True)
class Cell:
    """One cell, in points of accuracy. `difference` is to in-domain training, None on the diagonal."""

    train: str
    test: str
    accuracy: float
    low: float
    high: float
    difference: float | None
    significant: bool

    @property
    def text(self) -> str:
        """The value as it is written: the difference with its sign, or the in-domain accuracy."""
        value = f"{self.accuracy:.1f}" if self.difference is None else f"{self.difference:+.1f}"
        return value if self.significant or self.difference is None else f"{value} ns"


def heatmap(title: str, cells: list[Cell]) -> Spec:
    """Colour: difference to in-domain training. Hatching and "ns": not significant at 5 %."""
    trains = list(dict.fromkeys(cell.train for cell in cells))
    tests = list(dict.fromkeys(cell.test for cell in cells))
    widest = max([1.0, *(abs(cell.difference or 0) for cell in cells)])
    rows = [
        {
            "train": cell.train,
            "test": cell.test,
            "accuracy": cell.accuracy,
            "low": cell.low,
            "high": cell.high,
            "difference": cell.difference or 0.0,
            "text": cell.text,
            "kind": "in-domain" if cell.difference is None else ("clear" if cell.significant else "ns"),
        }
        for cell in cells
    ]
    x = {"field": "test", "type": "nominal", "sort": tests, "title": "tested on"}
    x["axis"] = {"labelAngle": 0, "orient": "top", "labelLimit": 160}  # type: ignore[assignment]
    y = {"field": "train", "type": "nominal", "sort": trains, "title": "meta-trained on"}
    y["axis"] = {"labelLimit": 200}  # type: ignore[assignment]
    tooltip = [{"field": name, "type": "nominal"} for name in ("train", "test", "kind")] + [
        {"field": name, "type": "quantitative", "format": ".1f"}
        for name in ("accuracy", "low", "high", "difference")
    ]
    text = {"field": "text", "type": "nominal"}
    halo = {"stroke": "white", "strokeWidth": 4, "strokeJoin": "round", "opacity": 0.9}
    width = {"condition": {"test": "datum.kind == 'in-domain'", "value": 3}, "value": 1}
    return figure(
        title,
        f"{len(trains)} meta-training sets by {len(tests)} test domains.",
        rows,
        width={"step": 110},
        height={"step": 44},
        layer=[
            {
                "mark": {"type": "rect", "stroke": "#5a6672"},
                "encoding": {
                    "x": x,
                    "y": y,
                    "color": {
                        "field": "difference",
                        "type": "quantitative",
                        "scale": {"domain": [-widest, widest], "range": DIVERGING},
                        "legend": {"title": "points to in-domain", "orient": "bottom", "gradientLength": 160},
                    },
                    "strokeWidth": width,
                    "tooltip": tooltip,
                },
            },
            {
                "transform": [{"filter": "datum.kind == 'ns'"}],
                "mark": {"type": "rect", "fill": _hatching(), "tooltip": None},
                "encoding": {"x": x, "y": y},
            },
            {  # a halo, so that the value reads on stripes and on strong colours
                "mark": {"type": "text", "fontSize": 13, **halo},
                "encoding": {"x": x, "y": y, "text": text},
            },
            {
                "mark": {"type": "text", "color": "#16202a", "fontSize": 13},
                "encoding": {"x": x, "y": y, "text": text},
            },
        ],
    )


def _hatching() -> Spec:
    """Slanted stripes as a gradient with hard steps: Vega-Lite has no patterns."""
    clear, line = "#5a667200", "#5a667299"
    stops = [
        {"offset": (i + share) / STRIPES, "color": colour}
        for i in range(STRIPES)
        for share, colour in (
            (0, clear),
            (0.36, clear),
            (0.36, line),
            (0.64, line),
            (0.64, clear),
            (1, clear),
        )
    ]
    # from one corner of the cell to where a line at right angles to (1, 0.4) meets the opposite corner
    return {"gradient": "linear", "x1": 0, "y1": 0, "x2": 1.4 / 1.16, "y2": 0.4 * 1.4 / 1.16, "stops": stops}
