"""Sender checks as data: how a webhook's sender proves itself. ``engine.server.senders`` carries them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from engine.runtime.reader import Reader, SecretRef
from engine.scenario.diagnostics import Place
from engine.scenario.nodes import Node

ALGORITHMS = ("sha1", "sha256", "sha384", "sha512")
ENCODINGS = ("hex", "base64", "base64-hex")


@dataclass(frozen=True, slots=True)
class HeaderCheck:
    """The sender sends the secret in a header. ``prefix`` stands before it (``"Bearer "``)."""

    name: str
    secret: SecretRef
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class QueryCheck:
    """The sender sends the secret as a query parameter."""

    name: str
    secret: SecretRef


@dataclass(frozen=True, slots=True)
class HmacCheck:
    """The sender signs the body.

    :param encoding: ``hex``, ``base64``, or ``base64-hex``: base64 of the hexadecimal digits.
    :param prefix: stands before the signature (``"sha256="``).
    :param signed: what is signed; ``{body}`` and ``{timestamp}`` are inserted.
    :param timestamp_header: header with the Unix time of sending.
    :param tolerance: seconds by which that time may differ from now.
    :param signature_key: the header is a list ``key=value,…``, and this key, as often as it occurs, has a signature.
    :param timestamp_key: the key of the time in such a list.
    """

    secret: SecretRef
    header: str
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    signed: str = "{body}"
    timestamp_header: str | None = None
    tolerance: float = 300.0
    signature_key: str | None = None
    timestamp_key: str | None = None

    @property
    def timed(self) -> bool:
        return self.timestamp_header is not None or self.timestamp_key is not None


SenderCheck = HeaderCheck | QueryCheck | HmacCheck

_NO_SECRET = SecretRef("env", "")

#: how well-known senders sign, by their own documentation
PRESETS: Mapping[str, HmacCheck] = MappingProxyType(
    {
        "github": HmacCheck(_NO_SECRET, "X-Hub-Signature-256", prefix="sha256="),
        "shopify": HmacCheck(_NO_SECRET, "X-Shopify-Hmac-Sha256", encoding="base64"),
        "slack": HmacCheck(
            _NO_SECRET,
            "X-Slack-Signature",
            prefix="v0=",
            signed="v0:{timestamp}:{body}",
            timestamp_header="X-Slack-Request-Timestamp",
        ),
        "stripe": HmacCheck(
            _NO_SECRET, "Stripe-Signature", signed="{timestamp}.{body}", signature_key="v1", timestamp_key="t"
        ),
        "talkable": HmacCheck(_NO_SECRET, "X-Talkable-Signature", encoding="base64-hex"),
    }
)

#: keys of a ``check:``; it has one of ``KINDS``
KINDS = ("header", "query", "hmac", "preset")
KEYS = ("header", "prefix", "query", "hmac", "preset", "tolerance", "secret")
HMAC_KEYS = ("header", "algorithm", "encoding", "prefix", "signed", "timestamp_header", "tolerance")


def read_check(reader: Reader, node: Node, what: str) -> SenderCheck | None:
    """A ``check:`` of ``engine.yaml``: one of ``header``, ``query``, ``hmac``, ``preset``, and ``secret``."""
    entries = reader.mapping(node, what, KEYS)
    kinds = [kind for kind in KINDS if kind in entries]
    secret = reader.secret(entries.get("secret"), f"secret of {what}", node.place)
    if len(kinds) != 1:
        reader.report("bad-value", node.place, f"{what} needs exactly one of header, query, hmac, preset")
        return None
    kind = kinds[0]
    for key, wanted in {"prefix": ("header",), "tolerance": ("preset",)}.items():
        if key in entries and kind not in wanted:
            reader.report("unknown-key", entries[key].place, f"{what} with {kind} has no key '{key}'")
    # read on without the secret, so that every mistake is said; a file with mistakes is not used
    secret = secret or _NO_SECRET
    if kind == "hmac":
        return _hmac(reader, entries["hmac"], secret, f"hmac of {what}")
    if kind == "preset":
        name = reader.choice(entries["preset"], f"preset of {what}", PRESETS)
        preset = PRESETS[name] if name else None
        tolerance = reader.seconds(entries.get("tolerance"), f"tolerance of {what}")
        return preset and replace(preset, secret=secret, tolerance=tolerance or preset.tolerance)
    name = reader.text(entries[kind], f"{kind} of {what}")
    if name is None:
        return None
    if kind == "query":
        return QueryCheck(name, secret)
    return HeaderCheck(name, secret, reader.text(entries.get("prefix"), f"prefix of {what}") or "")


def _hmac(reader: Reader, node: Node, secret: SecretRef, what: str) -> HmacCheck | None:
    entries = reader.mapping(node, what, HMAC_KEYS)
    place: Place = node.place
    header = reader.text(entries.get("header"), f"header of {what}")
    if "header" not in entries:
        reader.report("missing-key", place, f"{what} needs 'header', where the signature is")
    timestamp_header = reader.text(entries.get("timestamp_header"), f"timestamp_header of {what}")
    usual = "{timestamp}.{body}" if timestamp_header else "{body}"
    signed = reader.text(entries.get("signed"), f"signed of {what}") or usual
    if "{body}" not in signed or ("{timestamp}" in signed) != (timestamp_header is not None):
        at = entries["signed"].place if "signed" in entries else place
        reader.report(
            "bad-value", at, f"signed of {what} must hold {{body}}, and {{timestamp}} where there is a timestamp_header"
        )
    check = HmacCheck(
        secret,
        header or "",
        reader.choice(entries.get("algorithm"), f"algorithm of {what}", ALGORITHMS) or "sha256",
        reader.choice(entries.get("encoding"), f"encoding of {what}", ENCODINGS) or "hex",
        reader.text(entries.get("prefix"), f"prefix of {what}") or "",
        signed,
        timestamp_header,
        reader.seconds(entries.get("tolerance"), f"tolerance of {what}") or 300.0,
    )
    return check if header else None
