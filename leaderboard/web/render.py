"""From a view to bytes: templates, pictures, styles and scripts.

A `View` is what a page shows: a template, its values and its pictures; `views/` makes them, one file a
page. Templates are the same for the server and for a static export; `live` only decides whether filters
are answered by the server or by `table.js`. Next: `site.py` says which address is whose.
"""

import gzip
import hashlib
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from leaderboard.web import links, words
from metanas.evaluation.charts.theme import Spec, config

STATIC = Path(__file__).parents[1] / "static"


class Missing(LookupError):
    """There is no such page."""


class Page(NamedTuple):
    """An answer. `tag` names the content, for conditional requests."""

    content: bytes
    media: str
    tag: str
    packed: bytes  # gzip


@dataclass(frozen=True)
class View:
    """What a page shows, before it is drawn."""

    template: str
    values: Mapping[str, Any]
    pictures: Mapping[str, Spec] = field(default_factory=dict)


@dataclass(frozen=True)
class File:
    """A page that is no HTML: an export."""

    text: str
    media: str


def page(content: bytes, media: str) -> Page:
    """Bytes with the headers that go with them; the gzip has no time in it, so it is always the same."""
    return Page(content, media, hashlib.sha256(content).hexdigest()[:32], gzip.compress(content, 6, mtime=0))


def html(view: View, address: str, *, live: bool, query: str = "") -> str:
    """A view as the HTML of the page at `address`."""

    def link(target: str, query: str = "") -> str:
        return links.relative(target, address) + query

    def picture(name: str) -> dict[str, Any]:
        spec = view.pictures[name]
        return {
            "name": name,
            "title": spec["title"]["text"],
            "summary": spec["description"],
            "spec": Markup(script_json({**spec, "config": config("light")})),
            "dark": Markup(script_json(config("dark"))),
            "light_svg": link(links.picture(address, name, "light"), query),
            "dark_svg": link(links.picture(address, name, "dark"), query),
        }

    template = _environment().get_template(view.template)
    common = {"live": live, "links": links, "address": address}
    return template.render(**common, link=link, picture=picture, **view.values)


def problem(tracks: Mapping[str, str], title: str, message: str) -> str:
    """An error as a page; its links start at the root, since it may stand at any address."""
    values = {"tracks": tracks, "track": None, "page": "problem", "title": title, "message": message}
    template = _environment().get_template("problem.html")
    common = {"live": True, "links": links, "address": ""}
    return template.render(**common, link=lambda target, query="": f"/{target}{query}", **values)


def script_json(value: Any) -> str:
    """JSON that may stand inside a <script type="application/json"> element."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def static_paths() -> list[str]:
    """The addresses of styles, scripts and licences."""
    found = (path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())
    return [f"static/{path}" for path in sorted(found)]


@cache
def static(address: str) -> Page:
    """A style or script. Missing if there is none of that name."""
    if address not in static_paths():
        raise Missing(address)
    name = address.removeprefix("static/")
    media = mimetypes.guess_type(name)[0] or "text/plain"
    return page((STATIC / name).read_bytes(), f"{media}; charset=utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("leaderboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(words.FILTERS)
    return environment
