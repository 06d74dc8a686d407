"""Names of tracks, methods and tasks as parts of addresses: two names never have the same one.

What an address loses of a name (capitals, other scripts, which mark stood between two words) could make two
names alike, and so an export would overwrite one page with another's. Names of the usual form keep a plain
address; to any other one 8 digits of its SHA-256 are added, behind a ~ that no name may have.
"""

import hashlib
import re

_WORDS = r"[a-z0-9_]+(?:-[a-z0-9_]+)*"
_SLUG = re.compile(rf"{_WORDS}(?:~[0-9a-f]{{8}})?")
# Each can be read back from its slug, from the right: every part has a form that the one before has not.
_TASK = re.compile(rf"{_WORDS}/\d+w\d+s")
_TRACK = re.compile(
    rf"{_WORDS} \d+\.\d+ / [a-z]+ \(\d+(?:-\d+)*\) / (?:full data|sample) / [0-9a-f]{{8}}"  # store.track_of
)


def slug(text: str) -> str:
    """A text as part of an address: lower case letters, digits, _ and single hyphens; a slug is its own."""
    if _SLUG.fullmatch(text):
        return text
    plain = _plain(text)
    return plain if _TASK.fullmatch(text) or _TRACK.fullmatch(text) else f"{plain}~{_digest(text)}"


def name(method: str) -> str:
    """A method's name as part of an address: unchanged if it is a name a bundle may have."""
    if re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", method):
        return method
    return f"{_plain(method)}~{_digest(method)}"


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "-", text.lower()).strip("-") or "x"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
