"""How values are written on pages: fractions in %, counts, p-values, dates, and the interval bar of a cell.

The templates call these functions as filters of the same names (`FILTERS`).
"""

from datetime import datetime

from metanas.evaluation.result import Task
from metanas.evaluation.statistics import Interval
from metanas.evaluation.tables import points


def percent(value: float) -> str:
    """A fraction of 1 in %, without the sign: 0.815 is 81.5."""
    return f"{100 * value:.1f}"


def heading(task: Task) -> str:
    """The heading of a task's column: digits 1-shot (sample), with marks for synthetic or partial data."""
    marks = [mark for mark, applies in (("synthetic", task.synthetic), ("sample", task.sample)) if applies]
    note = f" ({', '.join(marks)})" if marks else ""
    return f"{task.domain} {task.shots}-shot{note}"


def bar(interval: Interval) -> str:
    """An interval on the scale 0-100 % as an SVG, hidden from screen readers: its numbers stand beside it."""
    low, high, mid = (min(max(100 * v, 0.0), 100.0) for v in (interval.low, interval.high, interval.mean))
    return (
        '<svg viewBox="0 0 100 8" width="100" height="8" aria-hidden="true">'
        '<rect class="scale" y="3.5" width="100" height="1"/>'
        f'<rect class="range" x="{low:.1f}" y="1" width="{max(high - low, 0.8):.1f}" height="6"/>'
        f'<rect class="mid" x="{mid - 0.6:.1f}" y="0" width="1.2" height="8"/></svg>'
    )


def count(value: float) -> str:
    """A whole number with thousands separators: 61,234."""
    return f"{value:,.0f}"


def si(value: float) -> str:
    """A number with three digits and its prefix, for a unit to follow: 5.44 G, 190 k, 12 (with a space)."""
    for size, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g} "


def p_value(p: float) -> str:
    """A p-value with four decimals, 0.0130, or < 0.0001."""
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def day(moment: datetime) -> str:
    """The date of a moment in UTC: 2026-11-24."""
    return moment.strftime("%Y-%m-%d")


def minute(moment: datetime) -> str:
    """Date and time of a moment in UTC: 2026-11-24 13:05 UTC."""
    return moment.strftime("%Y-%m-%d %H:%M UTC")


def tex(text: str) -> str:
    """A text with LaTeX's special characters escaped."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in text)


def times(text: str) -> str:
    """A text with the multiplication sign for an x between spaces: 3 seeds \u00d7 30 episodes."""
    return text.replace(" x ", " \u00d7 ")


FILTERS = {f.__name__: f for f in (percent, points, heading, bar, count, si, p_value, day, minute, times)}
