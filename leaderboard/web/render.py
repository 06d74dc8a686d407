"""Rendering: a `View` or a static file becomes the bytes of a response.

A `View` is a template (`leaderboard/templates/`), its values and its pictures, which are Vega-Lite
specifications; the functions in `views/` return one. The server and a static export use the same templates:
only with `live` does the server answer filters, otherwise `table.js` does. Next: `site.py`.
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

from leaderboard.web import formatting, links
from metanas.evaluation.charts.theme import Spec, config

PACKED = ("image/png", "audio/", "application/zip", "application/vnd.apache.parquet")  # media types
STATIC = Path(__file__).parents[1] / "static"


class Missing(LookupError):
    """No page has this address; a server answers 404."""


class Busy(RuntimeError):
    """The server does not take on this page now; a server answers 503. The message is for its reader."""


class Page(NamedTuple):
    """The content of a response and what its headers need."""

    content: bytes
    media: str  # its media type
    tag: str  # its ETag: the start of the content's SHA-256
    packed: bytes | None  # the content, compressed by gzip; None where it is compressed already


@dataclass(frozen=True)
class View:
    """What an HTML page shows, before it is rendered."""

    template: str  # a file name in leaderboard/templates/
    values: Mapping[str, Any]  # the template's variables
    pictures: Mapping[str, Spec] = field(default_factory=dict)  # by the name that the template uses


@dataclass(frozen=True)
class File:
    """The content of an address that is not HTML: an export, or a file of a submission."""

    content: bytes
    media: str  # its media type


def page(content: bytes, media: str) -> Page:
    """A `Page` of some bytes. The gzip header has no time in it, so equal contents are equal pages."""
    packed = None if media.startswith(PACKED) else gzip.compress(content, 6, mtime=0)
    return Page(content, media, hashlib.sha256(content).hexdigest()[:32], packed)


def html(view: View, address: str, common: Mapping[str, Any], *, query: str = "") -> str:
    """A view as the HTML of the page at `address`.

    common: what every page of the site has (`Site.common`). query: the page's own, "" or from "?" on, for its
    SVGs.
    """

    def link(target: str, query: str = "") -> str:
        return links.relative(target, address) + query

    def picture(name: str) -> dict[str, Any]:
        spec = view.pictures[name]
        return {
            "name": name,
            "title": spec["title"]["text"],
            "summary": spec["description"],
            "tools": [p["name"] for layer in spec.get("layer", ()) for p in layer.get("params", ())],
            "spec": Markup(_script_json({**spec, "config": config("light")})),
            "dark": Markup(_script_json(config("dark"))),
            "light_svg": link(links.picture(address, name, "light"), query),
            "dark_svg": link(links.picture(address, name, "dark"), query),
        }

    template = _environment().get_template(view.template)
    values = {**common, **view.values, "links": links, "address": address}
    return template.render(values, link=link, picture=picture)


def problem(common: Mapping[str, Any], address: str, title: str, message: str) -> str:
    """An error as an HTML page with the menu of a site, at an address that may be any."""
    up = "../" * address.count("/")  # not `links.relative`: what was asked for may be no path at all
    values = {**common, "links": links, "title": title, "message": message}
    template = _environment().get_template("problem.html")
    return template.render(values, link=lambda target, query="": f"{up}{target}{query}")


def _script_json(value: Any) -> str:
    """JSON for a <script type="application/json"> element, which nothing in a string can end."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def static_paths() -> list[str]:
    """The addresses of all styles, scripts and licences, sorted."""
    paths = (path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())
    return [f"static/{path}" for path in sorted(paths)]


@cache
def static(address: str) -> Page:
    """A style, script or licence. Missing if no file has this address."""
    if address not in static_paths():
        raise Missing(f"there is no static file {address!r}")
    name = address.removeprefix("static/")
    media = mimetypes.guess_type(name)[0] or "text/plain"
    charset = "" if media.startswith(PACKED) else "; charset=utf-8"
    return page((STATIC / name).read_bytes(), media + charset)


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
    environment.filters.update(formatting.FILTERS)
    return environment
