"""Tasks by their adapted architecture: every test episode a point on the two first principal components."""

from collections.abc import Sequence
from dataclasses import dataclass

from metanas.evaluation.charts.theme import Spec, figure


@dataclass(frozen=True)
class Place:
    """One test episode's architecture."""

    domain: str
    first: float
    second: float


def plane(title: str, places: Sequence[Place], shares: tuple[float, float]) -> Spec:
    """shares: of the variance, by each axis. Domains differ by colour and shape."""
    domains = list(dict.fromkeys(place.domain for place in places))
    names = [f"component {i + 1} ({100 * share:.0f} % of the variance)" for i, share in enumerate(shares)]
    kind = {
        "field": "domain",
        "type": "nominal",
        "sort": domains,
        "legend": {"title": "domain", "orient": "top"},
    }
    return figure(
        title,
        f"{len(places)} episodes of {', '.join(domains)}.",
        [vars(place) for place in places],
        width="container",
        height=320,
        mark={"type": "point", "filled": True, "size": 34, "opacity": 0.6},
        encoding={
            "x": {"field": "first", "type": "quantitative", "title": names[0]},
            "y": {"field": "second", "type": "quantitative", "title": names[1]},
            "color": kind,
            "shape": kind,
            "tooltip": [{"field": "domain", "type": "nominal"}],
        },
    )
