"""What pages say of the software itself: where its repository is, and how to cite it."""

from functools import cache
from importlib.metadata import metadata, version

TITLE = (
    "MetaNAS-Bench: a meta-learning benchmark suite for multi-task neural architecture search"  # CITATION.cff
)
AUTHOR = "MetaNAS-Bench contributors"


@cache
def repository() -> str:
    """The address of the repository, as the installed package has it ("Project-URL: Repository"); "" if not."""
    named = (url.partition(",") for url in metadata("metanas").get_all("Project-URL") or [])
    return next((url.strip() for name, _, url in named if name.strip().lower() == "repository"), "")


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
