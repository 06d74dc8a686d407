"""What pages say of the software itself: where its repository is, and how to cite it."""

import os
import re
from importlib.metadata import metadata, version

from metanas.base.errors import InvalidValue

TITLE = (
    "MetaNAS-Bench: a meta-learning benchmark suite for multi-task neural architecture search"  # CITATION.cff
)
VARIABLE = "METANAS_REPOSITORY"  # of the environment
AUTHOR = "MetaNAS-Bench contributors"


def repository() -> str:
    """The address of the repository: METANAS_REPOSITORY, else what the installed package says, else "".

    InvalidValue if it is no address of the web.
    """
    named = (url.partition(",") for url in metadata("metanas").get_all("Project-URL") or [])
    packaged = next((url.strip() for name, _, url in named if name.strip().lower() == "repository"), "")
    found = os.environ.get(VARIABLE, packaged)
    if found and not re.fullmatch(r"https?://[^\s<>\"']+", found):
        raise InvalidValue(f"{VARIABLE} wants an address like https://example.org/metanas, got {found!r:.80}")
    return found


def bibtex(repository: str) -> str:
    """A BibTeX entry of this version of the benchmark."""
    fields = {"title": f"{{{TITLE}}}", "author": f"{{{AUTHOR}}}", "version": version("metanas")}
    if repository:
        fields["url"] = repository
    return entry("software", f"metanas-bench-{version('metanas')}", fields)


def entry(kind: str, key: str, fields: dict[str, str]) -> str:
    """A BibTeX entry, one field a line."""
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}\n}}"
