"""How values are written on pages: intervals, headings, the bar in a cell. The same in every view."""

from datetime import datetime

from metanas.evaluation.result import Task
from metanas.evaluation.stats import Interval


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def heading(task: Task) -> str:
    """digits 1-shot, with what a reader has to know of the data."""
    marks = [word for word, on in (("synthetic", task.synthetic), ("sample", task.sample)) if on]
    note = f" ({', '.join(marks)})" if marks else ""
    return f"{task.domain} {task.shots}-shot{note}"


def bar(interval: Interval) -> str:
    """An interval on the scale 0-100 %, as an SVG (decoration: the numbers stand beside it)."""
    low, high, mid = (min(max(100 * v, 0.0), 100.0) for v in (interval.low, interval.high, interval.mean))
    return (
        '<svg viewBox="0 0 100 8" width="100" height="8" aria-hidden="true">'
        '<rect class="scale" y="3.5" width="100" height="1"/>'
        f'<rect class="range" x="{low:.1f}" y="1" width="{max(high - low, 0.8):.1f}" height="6"/>'
        f'<rect class="mid" x="{mid - 0.6:.1f}" y="0" width="1.2" height="8"/></svg>'
    )


def count(value: float) -> str:
    """61,234"""
    return f"{value:,.0f}"


def p_value(p: float) -> str:
    """0.013, or < 0.0001 where it is smaller than what is shown."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def minute(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")


FILTERS = {f.__name__: f for f in (percent, heading, bar, count, p_value, day, minute)}
