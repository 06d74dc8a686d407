"""Addresses as messages show them: without passwords and queries, which may hold secrets."""

import re
from urllib.parse import unquote

_SECRET = re.compile("pass|pw|key|token|secret|auth", re.IGNORECASE)  # names of fields of a query


def address(url: str) -> str:
    """A URL, or what was meant to be one, for a message: `scheme://user:***@host/path`.

    A password that was not quoted may hold any character, so all up to the last @ is taken for user and
    password. Where it may have been cut off by a question mark, nothing but the scheme is shown.
    """
    scheme, rest, query = _parts(url)
    if "@" in query:
        return f"{scheme}***"
    login, at, host = rest.rpartition("@")
    user, secret = _login(scheme, login)
    return f"{scheme}{user}{'***' if secret else ''}@{host}" if at else f"{scheme}{host}"


def without(text: str, url: str) -> str:
    """A message about this address in others' words, which may repeat parts of the password or query."""
    scheme, rest, query = _parts(url)
    fields = [part.partition("=") for part in query.split("&")]
    secrets = [
        _login(scheme, rest.rpartition("@")[0])[1],
        *(v for key, _, v in fields if _SECRET.search(key)),
    ]
    if "@" in query:
        secrets += [rest, query]
    parts = {part for secret in secrets for part in (secret, *re.split(r"[:/@?#&=]+", secret))}
    text = text.replace(url, address(url))
    for part in sorted(parts | {unquote(part) for part in parts}, key=len, reverse=True):
        if len(part) > 2:  # shorter ones would spoil the words
            text = text.replace(part, "***")
    return text


def _login(scheme: str, login: str) -> tuple[str, str]:
    """What is shown of what stands before the @, and what is not; a database may need no password."""
    user, colon, password = login.partition(":")
    if colon or (scheme and not scheme.startswith("http")):
        return user + colon, password
    return "", login  # of a server, it may be a token


def _parts(url: str) -> tuple[str, str, str]:
    """scheme://, what follows, and what follows a question mark or #. A file of SQLite has no password."""
    scheme, found, rest = url.partition("://")
    if not found:
        scheme, rest = "", url
    rest, query, *_ = [*re.split(r"[?#]", rest, maxsplit=1), ""]
    if scheme == "sqlite":
        return f"{scheme}://{rest}", "", ""
    return f"{scheme}{found}", rest, query
