"""Results by what they were computed on: seconds and memory are only compared within one kind of hardware.

Used by the page of costs (`views/pareto.py`) and the ranked table (`columns.py`).
"""

from collections.abc import Callable, Sequence

from leaderboard.ranking.board import Line


def grouped(lines: Sequence[Line], of: Callable[[Line], str]) -> dict[str, list[Line]]:
    """The lines by `hardware` or `device`.

    First that of most results that the administrator added, so that no entrant moves them from there.
    """
    by_name: dict[str, list[Line]] = {}
    for line in lines:
        by_name.setdefault(of(line), []).append(line)

    def weight(name: str) -> tuple[int, int, str]:
        ours = sum(line.standing.owner is None for line in by_name[name])
        return -ours, -len(by_name[name]), name

    return {name: by_name[name] for name in sorted(by_name, key=weight)}


def hardware(line: Line) -> str:
    """The accelerator that computed a result; on a CPU the processor."""
    environment = line.standing.document.environment
    return environment.get("cpu", "unknown") if device(line) == "cpu" else device(line)


def device(line: Line) -> str:
    """cpu, or the accelerator that computed a result, as declared."""
    return line.standing.document.environment.get("device", "cpu")
