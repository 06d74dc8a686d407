"""The critical-difference diagram (Demsar, 2006): mean ranks on a line; bars join methods without a
significant difference.
"""

from collections.abc import Mapping

from metanas.evaluation.charts.theme import BLUE, Spec, figure


def groups(ranks: Mapping[str, float], difference: float) -> list[tuple[str, ...]]:
    """Maximal runs of methods, best first, whose mean ranks lie within the critical `difference`."""
    order = sorted(ranks, key=lambda name: (ranks[name], name))
    runs: list[tuple[str, ...]] = []
    for i, name in enumerate(order):
        run = tuple(other for other in order[i:] if ranks[other] - ranks[name] <= difference)
        if len(run) > 1 and not (runs and set(run) <= set(runs[-1])):
            runs.append(run)
    return runs


def critical(title: str, ranks: Mapping[str, float], difference: float) -> Spec:
    """The diagram. ranks: mean rank by method, 1 is best; a bar joins methods closer than `difference`."""
    order = sorted(ranks, key=lambda name: (ranks[name], name))
    joined = groups(ranks, difference)
    rows: list[dict[str, object]] = [
        {
            "kind": "method",
            "method": name,
            "rank": ranks[name],
            "line": line,
            "label": f"{name} {ranks[name]:.2f}",
        }
        for line, name in enumerate(order)
    ]
    rows += [
        {"kind": "group", "rank": ranks[run[0]], "end": ranks[run[-1]], "line": -0.55 - 0.3 * i}
        for i, run in enumerate(joined)
    ]
    top = -1.0 - 0.3 * len(joined)
    rows.append({"kind": "cd", "rank": 1.0, "end": 1.0 + difference, "line": top})
    last = max(len(order), 1 + difference)
    rows = [{**row, "top": top - 0.6} for row in rows]
    x = {
        "field": "rank",
        "type": "quantitative",
        "title": "mean rank over tasks (1 is best)",
        "scale": {"domain": [1, last], "nice": False},
        "axis": {"orient": "top", "grid": False, "tickMinStep": 1},
    }
    y = {
        "field": "line",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [len(order) - 0.2, top - 0.6], "nice": False, "zero": False},
    }

    def only(kind: str) -> list[dict[str, str]]:
        return [{"filter": f"datum.kind == '{kind}'"}]

    middle = (1 + last) / 2
    names = [
        {
            "transform": [{"filter": f"datum.kind == 'method' && datum.rank {side} {middle}"}],
            "mark": {"type": "text", "align": align, "dx": shift, "baseline": "middle"},
            "encoding": {"x": x, "y": y, "text": {"field": "label", "type": "nominal"}},
        }
        for side, align, shift in (("<=", "left", 10), (">", "right", -10))
    ]
    return figure(
        title,
        f"{len(order)} methods, critical difference {difference:.2f} ranks; "
        + (
            f"not significantly different: {'; '.join(', '.join(run) for run in joined)}."
            if joined
            else "all significantly different."
        ),
        rows,
        width="container",
        height=60 + 26 * len(order) + 10 * len(joined),
        layer=[
            {
                "transform": only("method"),
                "mark": {"type": "rule", "strokeWidth": 1},
                "encoding": {"x": x, "y": y, "y2": {"field": "top"}},
            },
            {
                "transform": only("method"),
                "mark": {"type": "point", "filled": True, "size": 60, "color": BLUE, "opacity": 1},
                "encoding": {"x": x, "y": y},
            },
            *names,
            {
                "transform": only("group"),
                "mark": {"type": "rule", "strokeWidth": 5, "color": BLUE, "strokeCap": "round"},
                "encoding": {"x": x, "x2": {"field": "end"}, "y": y},
            },
            {
                "transform": only("cd"),
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {"x": x, "x2": {"field": "end"}, "y": y},
            },
            {
                "transform": only("cd"),
                "mark": {"type": "text", "align": "left", "dy": -9},
                "encoding": {"x": x, "y": y, "text": {"value": f"critical difference {difference:.2f}"}},
            },
        ],
    )
