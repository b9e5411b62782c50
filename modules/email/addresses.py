"""Addresses as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.headerregistry import Address

from yarl import URL

from engine import DataError

_NAMED = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>\s*")


@dataclass(frozen=True)
class Mailbox:
    """An address, and maybe a name beside it.

    :param address: its domain as the mail system has it (IDNA).
    """

    name: str
    address: str

    @classmethod
    def read(cls, text: str) -> Mailbox:
        """Reads ``ana@example.com`` and ``Ana <ana@example.com>``. Raises ``DataError``."""
        found = _NAMED.fullmatch(text)
        name, address = (found["name"].strip('"'), found["address"]) if found else ("", text.strip())
        try:
            if any(ord(sign) < 0x20 or ord(sign) == 0x7F for sign in text):
                raise ValueError("it has a control character")
            local, _, domain = address.rpartition("@")
            if not local or not domain:
                raise ValueError("it is no name@domain")
            if not local.isascii():
                raise ValueError("it has letters beyond ASCII before its @, which hardly any server takes")
            known = f"{local}@{domain if domain.isascii() else URL.build(scheme='http', host=domain).raw_host}"
            Address(name, addr_spec=known)
            if len(known) > 254:
                raise ValueError("it is longer than 254 signs")
        except (ValueError, IndexError) as error:
            raise DataError(
                f"{text[:100]!r} is no mail address: {error}",
                refused=True,
                hint="write ana@example.com or Ana <ana@example.com>; several as a list",
            ) from None
        return cls(name, known)

    @property
    def header(self) -> Address:
        """As it stands in a header."""
        return Address(self.name, addr_spec=self.address)
