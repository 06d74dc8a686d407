"""An HTML page that shows one episode, so that a person can inspect the data.

Support and query set side by side, class by class: images as they are stored, texts, speech as a playable
waveform with its log-mel spectrogram, and series as lines. The page holds everything it shows and loads
nothing from other hosts.
"""

import base64
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from metanas.base.atomic import write_atomically
from metanas.base.errors import InvalidValue
from metanas.data import pictures
from metanas.data.adapter import DOMAINS
from metanas.data.episode import EVALUATION_SEED, EpisodeShape, Split
from metanas.data.roots import DataRoot, root_of
from metanas.data.sampler import ClassTable, sample
from metanas.data.suite import Suite, load_suite, readable

SCALE = {"image": 3, "speech": 3, "series": 1}  # screen pixels per pixel
WHO = {
    "image": "drawer",
    "speech": "speaker",
    "text": "author",
    "series": "source",
}  # what `Examples.groups` are
HEIGHT, WIDTH = 48, 240  # of a waveform, pixels


@dataclass(frozen=True)
class _Shown:
    """One example: its content as HTML, and its speaker or drawer ("" where unknown)."""

    html: Markup
    group: str


def write(name: str, out: Path, *, suite: str, split: str, episode: int, shots: int, root: DataRoot) -> Path:
    """Write the page of one pinned episode to `out` and return it.

    suite: its name; empty for the first suite that has the domain, if any. split: train, val or test.
    InvalidValue if there is no such split or it is too small for the shape, UnknownName, DataError for
    missing data.
    """
    from metanas.data.domain import Domain

    protocol = _suite_of(name, suite)
    domain = Domain.open(name, root, protocol.of(name))
    if split not in domain.tables:
        raise InvalidValue(f"{name} has no split {split!r}; it has: {', '.join(domain.tables)}")
    at: Split = next(known for known in get_args(Split) if known == split)
    shape = _shape(protocol, domain.tables[at], shots)
    drawn = sample(domain.tables[at], EVALUATION_SEED, shape, np.array([episode]))
    examples, adapter = domain.store.examples, DOMAINS[name]()
    rows = np.concatenate([drawn.support[0], drawn.query[0]]).tolist()
    extra, clips = domain.store.extra, {}
    if "clip" in extra:
        clips = dict(adapter.clips(root_of(root, name), sorted({extra["clip"][row] for row in rows})))

    def shown(row: int) -> _Shown:
        group = "" if examples.groups is None else f"{WHO[domain.modality]} {int(examples.groups[row])}"
        if "text" in extra:
            return _Shown(Markup("<p>{}</p>").format(extra["text"][row]), group)
        draw = pictures.plot if domain.modality == "series" else pictures.picture
        html = _picture(draw(examples.x[row]), SCALE[domain.modality])
        if "clip" in extra and extra["clip"][row] in clips:
            html = _waveform(*clips[extra["clip"][row]]) + html
        return _Shown(html, group)

    classes = [
        {
            "name": examples.classes[int(examples.labels[drawn.support[0, drawn.support_y[0] == way][0]])],
            "support": [shown(row) for row in drawn.support[0, drawn.support_y[0] == way].tolist()],
            "query": [shown(row) for row in drawn.query[0, drawn.query_y[0] == way].tolist()],
        }
        for way in range(int(drawn.query_y.max()) + 1)
    ]
    page = _template().render(
        name=name,
        summary=(adapter.__doc__ or "").partition("\n")[0],
        adapter=adapter,
        kind="sample" if examples.sample else "full",
        fingerprint=domain.store.fingerprint,
        suite=protocol,
        split=split,
        episode=episode,
        shape=shape,
        disjoint=domain.tables[at].disjoint,
        classes=classes,
    )
    write_atomically(out, page.encode())
    return out


def _picture(drawn: pictures.Picture, scale: int) -> Markup:
    """An image, a spectrogram or a plot, enlarged."""
    png, width, height, words = drawn
    return Markup('<img src="{}" width="{}" height="{}" alt="{}">').format(
        _uri("image/png", png), width * scale, height * scale, words
    )


def _waveform(samples: NDArray[np.int16], rate: int) -> Markup:
    """An SVG of the range of the samples in each column, and an audio element. rate: in Hz."""
    edges = np.linspace(0, len(samples), WIDTH + 1).astype(int)
    middle, lines = HEIGHT / 2, []
    for column, (a, b) in enumerate(zip(edges, edges[1:], strict=False)):
        part = samples[a : max(b, a + 1)].astype(np.float64) / 32768
        lines.append(f"M{column} {middle * (1 - part.max()):.1f}V{middle * (1 - part.min()) + 0.5:.1f}")
    return Markup(
        '<svg class="wave" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img" aria-label="waveform, '
        '{2:.2f} seconds"><path d="{3}"/></svg><audio controls preload="metadata" src="{4}"></audio>'
    ).format(
        WIDTH, HEIGHT, len(samples) / rate, "".join(lines), _uri("audio/wav", pictures.wav(samples, rate))
    )


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _suite_of(domain: str, suite: str) -> Suite:
    """The suite of that name, or if it is empty the first one that has the domain, else the embedded one."""
    if suite:
        return load_suite(suite)
    DOMAINS[domain]  # UnknownName names the closest one
    having = (candidate for candidate in readable() if domain in candidate.domains)
    return next(having, load_suite("mini-v1"))


def _shape(protocol: Suite, table: ClassTable, shots: int) -> EpisodeShape:
    """The shape of the suite's episodes; of a domain that it does not have, as much as the split holds."""
    name = table.domain
    ways, queries = protocol.ways_of(name), protocol.of(name).queries or protocol.queries
    if name in protocol.domains:
        return replace(protocol.shapes(name)[0], shots=shots)
    return EpisodeShape(min(ways, len(table.sizes)), shots, min(queries, int(table.sizes.min()) - shots))


def _template() -> Any:
    loader = FileSystemLoader(Path(__file__).parent)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined).get_template(
        "episode_page.html"
    )
