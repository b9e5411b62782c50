"""Where a request goes: paths under a base URL, author-given URLs, and addresses that are never called."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from yarl import URL

from engine.sdk.errors import DataError

#: link-local networks and the addresses at which clouds hand out a machine's credentials
_REFUSED = tuple(
    ipaddress.ip_network(net)
    for net in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32", "168.63.129.16/32")
)
#: IPv6 networks that lead to the IPv4 address in their last 32 bits
_EMBEDDING = tuple(ipaddress.ip_network(net) for net in ("::/96", "::ffff:0:0/96", "64:ff9b::/96"))

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
#: halves of a character pair, which JSON can write and no URL can carry: they would be left out without a word
_HALF = re.compile(r"[\ud800-\udfff]")
_WHOLE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
#: a path that stands below a base URL as it is: nothing to encode, no segment that leads elsewhere
PLAIN = re.compile(r"(?:/[A-Za-z0-9_~\-][A-Za-z0-9._~\-]*)+")
#: only what belongs to the connection has a field in a field
_HOLE = re.compile(r"\{(\+?)(?:connection\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|([A-Za-z_]\w*))\}", re.ASCII)

#: a key of the config in a path that a connection gives
_INNER = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)


def refused_address(address: str, allowed: Collection[str] = ()) -> bool:
    """Whether an IP address is link-local or serves machine credentials, and is not allowed by name.

    :param address: an IP address, a zone (``%eth0``) or brackets may be there; anything else gives False.
    """
    bare = address.strip("[]").partition("%")[0]
    try:
        ip = ipaddress.ip_address(bare)
    except ValueError:
        return False
    if bare in allowed:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.sixtofour
        if inner is None and any(ip in net for net in _EMBEDDING):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None and str(inner) not in allowed and any(inner in net for net in _REFUSED):
            return True
    return any(ip in net for net in _REFUSED)


def host_allowed(host: str, allow_hosts: Sequence[str] | None) -> bool:
    """Whether an author may name this host. ``*.example.com`` stands for every name below; None allows all."""
    if allow_hosts is None:
        return True
    name = host.lower().rstrip(".")
    return any(
        name.endswith(pattern[1:].lower()) if pattern.startswith("*.") else name == pattern.lower().strip("[]")
        for pattern in allow_hosts
    )


def fill(
    template: str,
    values: Mapping[str, Any],
    what: str,
    connection: Mapping[str, Any] | None = None,
    holes: Mapping[str, str] | None = None,
) -> str:
    """Insert values at ``{name}``, percent-encoded. A missing, null or empty one is a ``DataError``.

    :param what: where the values come from, for the message: ``config``, ``connection``.
    :param connection: what ``{connection.name}`` inserts; ``{+connection.name}`` inserts it as it is, as a path in
        which ``{name}`` is filled too.
    :param holes: what such a path calls a value, where that has another name.
    """

    def insert(hole: re.Match[str]) -> str:
        raw, field, name = hole.groups()
        if (field or raw) and connection is None:
            return hole[0]
        if field is None:
            return quote(_plain(values.get(name), name, what), safe="")
        text = _plain(look_up(connection or {}, field), field, "connection")
        return _INNER.sub(inner, text) if raw else quote(text, safe="")

    def inner(hole: re.Match[str]) -> str:
        name = (holes or {}).get(hole[1], hole[1])
        return quote(_plain(values.get(name), name, what), safe="")

    return _HOLE.sub(insert, template)


def look_up(fields: Mapping[str, Any], path: str) -> Any:
    """The field of a path such as ``webhook_paths.target``; None: there is none."""
    found: Any = fields
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _plain(value: Any, name: str, whose: str) -> str:
    if value is None or value == "" or isinstance(value, Mapping | list):
        met = "is missing" if value is None else "is empty" if value == "" else "is no text or number"
        raise DataError(f"'{name}' of the {whose} goes into the path and {met}", refused=True)
    return _sendable(text_of(value), name)


def text_of(value: Any) -> str:
    """A plain JSON value as text: booleans as ``true`` and ``false``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def build(base: str, path: str, query: Mapping[str, Any] | None, allow_hosts: Sequence[str] | None) -> URL:
    """The URL of a request.

    :param base: base URL; empty when ``path`` is a whole, author-given URL.
    :param allow_hosts: the hosts that an author-given URL may name; None: any.
    :raises DataError: for a path that would leave the base URL, control characters, refused hosts and addresses.
    """
    if _CONTROL.search(path):
        raise _bad(path, "holds a control character")
    _sendable(path, "path")
    if "#" in path:
        raise _bad(path, "holds '#'", hint="a '#' that belongs to a value is written %23")
    text = _under(base, path) if base else _whole(path)
    try:
        url = URL(text)
        # looked at here: a host that is no IDNA, or a port that is no number, is found only now
        host, port = url.host, url.port
    except ValueError as error:
        raise _bad(path, f"is no URL: {error}") from None
    if not host or port is None or " " in host:
        raise _bad(path, "names no host")
    if "@" in text and (url.user is not None or url.password is not None):
        raise _bad(str(url.origin()), "holds credentials", hint="put them into the fields of a connection")
    if not base:
        if not host_allowed(host, allow_hosts):
            raise _bad(host, "is no allowed host", hint="list it under http.allow_hosts in engine.yaml")
        if refused_address(host, allow_hosts or ()):
            raise _bad(host, "is a link-local or metadata address", hint="such addresses are never called")
    return url.extend_query(_pairs(query)) if query else url


def plain_base(base: str) -> URL | None:
    """A base URL below which ``PLAIN`` paths go as they are; None: it is none, or has a query of its own."""
    try:
        url = build(base, "", None, None) if base else None
    except DataError:
        return None
    return None if url is None or url.raw_query_string else url


def _under(base: str, path: str) -> str:
    if _WHOLE.match(path):
        raise _bad(path, "is a whole URL", hint="this connection has a base URL; give the path below it")
    if path.startswith("//"):
        raise _bad(path, "begins with '//', which names a host")
    bare = path.partition("?")[0]
    if "\\" in unquote(bare):
        raise _bad(path, "holds a backslash")
    if any(part in (".", "..") for part in unquote(bare).split("/")):
        raise _bad(path, "holds a '.' or '..' segment, which would leave the base URL")
    if not path:
        return base
    return f"{base.rstrip('/')}{'' if path.startswith('?') else '/'}{path.lstrip('/')}"


def _whole(path: str) -> str:
    if not re.match(r"https?://", path, re.IGNORECASE):
        raise _bad(path, "is no http or https URL", hint="without a base URL a call needs a whole one: https://…")
    return path


def _pairs(query: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = []
    for key, value in query.items():
        for item in value if isinstance(value, list | tuple) else [value]:
            if isinstance(item, dict | list | tuple):
                raise DataError(f"query parameter '{key}' is no text, number, boolean or list of them", refused=True)
            if item is not None:
                pairs.append((_sendable(key, key), _sendable(text_of(item), key)))
    return pairs


def _sendable(text: str, name: str) -> str:
    if not text.isascii() and _HALF.search(text):
        raise DataError(f"{name!a} holds half of a character pair, which is no text; nothing was sent", refused=True)
    return text


def _bad(path: str, what: str, *, hint: str | None = None) -> DataError:
    shown = _CONTROL.sub("�", path.partition("?")[0])
    return DataError(f"'{shown[:200]}' {what}; nothing was sent", refused=True, hint=hint)
