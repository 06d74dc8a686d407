"""Addresses as messages show them: without passwords and queries, which may hold secrets."""

import re
from urllib.parse import unquote


def address(url: str) -> str:
    """A URL, or what was meant to be one, for a message: `scheme://user:***@host/path`.

    A password that was not quoted may hold any character, so all up to the last @ is taken for user and
    password. Where it may have been cut off by a question mark, nothing but the scheme is shown.
    """
    scheme, rest, query = _parts(url)
    if "@" in query:
        return f"{scheme}***"
    login, at, host = rest.rpartition("@")
    user, colon, _ = login.partition(":")
    return f"{scheme}{f'{user}:***' if colon else '***'}@{host}" if at else f"{scheme}{host}"


def without(text: str, url: str) -> str:
    """A message about this address in others' words, which may repeat parts of the password or query."""
    _, rest, query = _parts(url)
    login = rest.rpartition("@")[0]
    secrets = [login.partition(":")[2] or login, *(part.partition("=")[2] for part in query.split("&"))]
    if "@" in query:
        secrets += [rest, query]
    parts = {part for secret in secrets for part in (secret, *re.split(r"[:/@?#&=]+", secret))}
    text = text.replace(url, address(url))
    for part in sorted(parts | {unquote(part) for part in parts}, key=len, reverse=True):
        if len(part) > 2:  # shorter ones would spoil the words
            text = text.replace(part, "***")
    return text


def _parts(url: str) -> tuple[str, str, str]:
    """scheme://, what follows, and what follows a question mark or #. A file of SQLite has no password."""
    scheme, found, rest = url.partition("://")
    if not found:
        scheme, rest = "", url
    rest, query, *_ = [*re.split(r"[?#]", rest, maxsplit=1), ""]
    if scheme == "sqlite":
        return f"{scheme}://{rest}", "", ""
    return f"{scheme}{found}", rest, query
