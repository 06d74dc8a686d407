"""Names of tracks, methods and tasks as parts of addresses."""

import re


def slug(text: str) -> str:
    """A text as part of an address: lower case letters, digits and single hyphens; "x" if nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


def name(method: str) -> str:
    """A method's name as part of an address: unchanged if it is a name a bundle may have, else its slug."""
    return method if re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", method) else slug(method)
