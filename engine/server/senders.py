"""Sender checks: whether a delivery comes from who knows the secret.

Secrets and signatures are compared in constant time, and no reason repeats what was expected.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping

from engine.runtime.checks import HeaderCheck, HmacCheck, QueryCheck, SenderCheck


def check(
    sender: SenderCheck, headers: Mapping[str, str], query: Mapping[str, str], body: bytes, now: float, secret: str
) -> str | None:
    """None when the delivery passes, else the reason why not, in words for the operator.

    :param headers: names in lower case.
    :param body: the bytes as they came.
    :param now: Unix seconds.
    :param secret: what ``sender.secret`` stands for; an empty one lets nothing pass.
    """
    if not secret:
        return "the secret of the check is empty"
    match sender:
        case HeaderCheck():
            given = headers.get(sender.name.lower())
            if given is None:
                return f"header {sender.name} is missing"
            return None if _same(given, sender.prefix + secret) else f"header {sender.name} is wrong"
        case QueryCheck():
            given = query.get(sender.name)
            if given is None:
                return f"query parameter {sender.name} is missing"
            return None if _same(given, secret) else f"query parameter {sender.name} is wrong"
        case HmacCheck():
            return _signature(sender, headers, body, now, secret)


def strip(
    sender: SenderCheck, headers: Mapping[str, str], query: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and query without the secret, for the receipt. A signature proves the body only and stays."""
    kept_headers, kept_query = dict(headers), dict(query)
    if isinstance(sender, HeaderCheck):
        kept_headers.pop(sender.name.lower(), None)
    elif isinstance(sender, QueryCheck):
        kept_query.pop(sender.name, None)
    return kept_headers, kept_query


def sign(sender: HmacCheck, body: bytes, secret: str, timestamp: str = "") -> str:
    """The signature that a sender who knows the secret sends, without prefix."""
    # inserted piece by piece: a body that holds `{timestamp}` is only a body
    before, _, after = sender.signed.partition("{body}")
    signed = before.replace("{timestamp}", timestamp).encode() + body + after.replace("{timestamp}", timestamp).encode()
    digest = hmac.new(secret.encode(), signed, sender.algorithm)
    if sender.encoding == "hex":
        return digest.hexdigest()
    raw = digest.digest() if sender.encoding == "base64" else digest.hexdigest().encode()
    return base64.b64encode(raw).decode()


def _signature(sender: HmacCheck, headers: Mapping[str, str], body: bytes, now: float, secret: str) -> str | None:
    value = headers.get(sender.header.lower())
    if value is None:
        return f"header {sender.header} is missing"
    given, timestamp = [value], headers.get(sender.timestamp_header.lower()) if sender.timestamp_header else None
    if sender.signature_key is not None:
        pairs = [part.strip().partition("=") for part in value.split(",")]
        given = [v for k, _, v in pairs if k == sender.signature_key]
        timestamp = next((v for k, _, v in pairs if k == sender.timestamp_key), None)
    if sender.timed:
        if timestamp is None:
            return "the time of sending is missing"
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
            return "the time of sending is no Unix time"
        if abs(now - int(timestamp)) > sender.tolerance:
            return f"the time of sending is more than {sender.tolerance:g} s away from now"
    wanted = sender.prefix + sign(sender, body, secret, timestamp or "")
    # every signature is compared, so that their number says nothing either
    matches = [_same(_folded(sender, candidate), wanted) for candidate in given]
    return None if any(matches) else f"the signature in header {sender.header} is wrong"


def _folded(sender: HmacCheck, given: str) -> str:
    """Hexadecimal digits may be sent in upper case."""
    if sender.encoding == "hex" and given.startswith(sender.prefix):
        return sender.prefix + given[len(sender.prefix) :].lower()
    return given


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode("utf-8", "surrogateescape"))
