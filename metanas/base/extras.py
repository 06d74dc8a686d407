"""Which extra of metanas installs a package: read from its own metadata, so nothing is listed twice."""

import re
from importlib.metadata import PackageNotFoundError, requires

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+).*;.*extra == ['\"](?P<extra>[\w-]+)['\"]")


def extra_of(module: str) -> str | None:
    """The extra whose packages have this module, None if no extra has it. "httpx._client": "leaderboard"."""
    wanted = module.partition(".")[0].casefold()
    try:
        requirements = requires("metanas") or []
    except PackageNotFoundError:  # a copy of the files, not installed
        return None
    for requirement in requirements:
        found = _REQUIREMENT.match(requirement)
        if found and found["extra"] not in ("dev", "all"):
            if found["name"].replace("-", "_").casefold() == wanted:
                return found["extra"]
    return None


def missing(error: ModuleNotFoundError) -> str | None:
    """What to install for a module that was not found, as one line; None if no extra has it."""
    extra = extra_of(error.name or "")
    if extra is None:
        return None
    return f"this needs the package {(error.name or '').partition('.')[0]}: pip install 'metanas[{extra}]'"
