"""The transfer matrix as a heatmap: sets of meta-training domains in rows, test domains in columns."""

from collections.abc import Mapping, Sequence

from metanas.evaluation.charts.theme import Spec, figure
from metanas.evaluation.paired import LEVEL
from metanas.evaluation.statistics import Interval
from metanas.evaluation.transfer import Cell

# Blue to orange through white, distinguishable for colour-blind readers; the text gives the value anyway.
DIVERGING = ["#4f9fd0", "#a6cde6", "#f4f4f4", "#f5cf9b", "#e88a45"]
STRIPES = 14  # of a hatched cell


def heatmap(title: str, cells: Sequence[Cell], heads: Mapping[str, str]) -> Spec:
    """Colour: difference to in-domain training. Hatching and "ns": not significant at 5 %.

    heads: the column heading of each test domain.
    """
    trains = list(dict.fromkeys(cell.train for cell in cells))
    tests = [heads[name] for name in dict.fromkeys(cell.test for cell in cells)]
    rows = [{"train": cell.train, "test": heads[cell.test], **_values(cell)} for cell in cells]
    widest = max([1.0, *(abs(row["difference"]) for row in rows)])
    x = {"field": "test", "type": "nominal", "sort": tests, "title": "tested on"}
    x["axis"] = {"labelAngle": 0, "orient": "top", "labelLimit": 160}  # type: ignore[assignment]
    y = {"field": "train", "type": "nominal", "sort": trains, "title": "meta-trained on"}
    y["axis"] = {"labelLimit": 200}  # type: ignore[assignment]
    tooltip = [{"field": name, "type": "nominal"} for name in ("train", "test", "kind")] + [
        {"field": name, "type": "quantitative", "format": ".1f"}
        for name in ("accuracy", "low", "high", "difference")
    ]
    width = {"condition": {"test": "datum.kind == 'in-domain'", "value": 3}, "value": 1}
    return figure(
        title,
        f"{len(trains)} meta-training sets by {len(tests)} test domains; hatched: not significant at 5 %.",
        rows,
        width={"step": 110},
        height={"step": 52},
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
            *_words("text", x, y, fontSize=13, dy=-7),
            *_words("range", x, y, fontSize=10, dy=9),
        ],
    )


def written(cell: Cell) -> str:
    """The text in a cell, in points: the difference with its sign, or the accuracy itself."""
    if cell.difference is None or cell.p is None:
        return f"{100 * cell.accuracy.mean:.1f}"
    return f"{100 * cell.difference.mean:+.1f}" + ("" if cell.p < LEVEL else " ns")


def _values(cell: Cell) -> Spec:
    """A row of chart data: a cell in points of accuracy."""
    accuracy, gap = cell.accuracy, cell.difference
    mean, low, high = accuracy.percents
    alone = "in-domain" if cell.train == cell.test else "test-only"  # nothing to compare with
    return {
        "accuracy": mean,
        "low": low,
        "high": high,
        "difference": 0.0 if gap is None else 100 * gap.mean,
        "text": written(cell),
        "range": f"[{low:.1f}, {high:.1f}]" if gap is None else _range(gap),
        "kind": alone if cell.p is None else ("clear" if cell.p < LEVEL else "ns"),
    }


def _range(gap: Interval) -> str:
    return f"[{100 * gap.low:+.1f}, {100 * gap.high:+.1f}]"


def _words(field: str, x: Spec, y: Spec, **font: float) -> list[Spec]:
    """A line of text in every cell, on a halo, so that it is readable on stripes and strong colours."""
    halo = {"stroke": "white", "strokeWidth": 4, "strokeJoin": "round", "opacity": 0.9}
    encoding = {"x": x, "y": y, "text": {"field": field, "type": "nominal"}}
    return [
        {"mark": {"type": "text", **look, **font}, "encoding": encoding}
        for look in (halo, {"color": "#16202a"})
    ]


def _hatching() -> Spec:
    """Slanted stripes, as a gradient with hard steps since Vega-Lite has no patterns."""
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
