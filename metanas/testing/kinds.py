"""The checks of a plug-in by kind and name."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from metanas.base.errors import InvalidValue
from metanas.data.adapter import DOMAINS
from metanas.data.roots import DataRoot
from metanas.method import METHODS
from metanas.space.candidates import OPS
from metanas.space.network_config import NETWORKS, NetworkConfig
from metanas.testing import domains, methods, networks, ops
from metanas.testing.check import Check, bound

KINDS = ("domain", "method", "network", "op")


def checks(
    kind: str,
    name: str,
    *,
    domain: str = "",
    root: DataRoot = None,
    settings: Mapping[str, Any] | None = None,
) -> list[Check]:
    """The checks of the domain, method, network or op of that name; nothing is run yet.

    domain: of a method: whose tasks it is tested on; empty: the first it takes of those that need no
    download. root: the data folder, for a domain and for `domain`. settings: of a method, as `--set` gives
    them, or of a network, {"weights": "file.pth"}. InvalidValue for an unknown kind or an option of another
    one, UnknownName for the name, PluginError for a plug-in that cannot be loaded, DataError for missing or
    wrong data.
    """
    registries: dict[str, Any] = {"domain": DOMAINS, "method": METHODS, "network": NETWORKS, "op": OPS}
    if kind not in registries:
        raise InvalidValue(f"nothing of kind {kind!r} can be checked; there are: {', '.join(KINDS)}")
    if (kind != "method" and domain) or (kind in ("domain", "op") and settings):
        raise InvalidValue(f"domain is of a method, settings are of a method or network; this is a {kind}")
    registries[kind][name]  # loads it, or says why not
    made: dict[str, Callable[[], list[Check]]] = {
        "domain": lambda: _of_domain(name, root),
        "method": lambda: _of_method(methods.MethodSubject(name, domain, root, settings or {})),
        "network": lambda: bound(networks.RULES, networks.NetworkSubject(name, _options(settings or {}))),
        "op": lambda: bound(ops.RULES, ops.OpSubject(name)),
    }
    return made[kind]()


def _options(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Options of a network. InvalidValue for one that there is not."""
    known = [field.name for field in fields(NetworkConfig) if field.name != "kind"]
    if unknown := sorted(set(given) - set(known)):
        raise InvalidValue(f"a network has no option {unknown[0]!r}; there are: {', '.join(known)}")
    return given


def _of_domain(name: str, root: DataRoot) -> list[Check]:
    subject = domains.DomainSubject(name, root)
    assert subject.domain  # opened now: missing data is no failure of ten rules
    return bound(domains.RULES, subject)


def _of_method(subject: methods.MethodSubject) -> list[Check]:
    assert subject.tasks_of  # found now: settings that are wrong are no failure of ten rules
    return bound(methods.RULES, subject)
