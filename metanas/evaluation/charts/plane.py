"""Test episodes by their adapted architecture: points on the first two principal components."""

from collections.abc import Sequence
from dataclasses import dataclass

from metanas.evaluation.charts.theme import PALETTE, SHAPES, Spec, figure


@dataclass(frozen=True)
class Place:
    """One test episode: the first and second principal component of its adapted architecture."""

    domain: str
    task: str
    seed: int
    first: float
    second: float


def plane(title: str, places: Sequence[Place], shares: tuple[float, float]) -> Spec:
    """The map of episodes; domains differ by colour and shape. shares: of the variance, by each axis."""
    domains = list(dict.fromkeys(place.domain for place in places))
    names = [f"component {i + 1} ({100 * share:.0f} % of the variance)" for i, share in enumerate(shares)]
    scale = {
        "domain": domains,
        "range": list(PALETTE[: len(domains)]),
    }  # for colour and shape, or two legends are drawn
    kind = {"field": "domain", "type": "nominal", "legend": {"title": "domain", "orient": "top"}}
    near = {"zero": False, "nice": True}
    return figure(
        title,
        f"{len(places)} episodes of {', '.join(domains)}.",
        [vars(place) for place in places],
        width="container",
        height=320,
        mark={"type": "point", "filled": True, "size": 40, "opacity": 0.7},
        encoding={
            "x": {"field": "first", "type": "quantitative", "title": names[0], "scale": near},
            "y": {"field": "second", "type": "quantitative", "title": names[1], "scale": near},
            "color": {**kind, "scale": scale},
            "shape": {**kind, "scale": {"domain": domains, "range": list(SHAPES[: len(domains)])}},
            "tooltip": [{"field": name, "type": "nominal"} for name in ("domain", "task", "seed")],
        },
    )
