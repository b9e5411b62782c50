"""Fetches the authorization server of the tests, once. Run it by hand or in a set-up::

python -m tests.oauth.get_server
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support import npm

COMMAND = "./dev setup"
_SOURCE = Path(__file__).parent / "server"


def server() -> list[str]:
    """The command that starts it."""
    return [str(npm.NODE), str(_SOURCE / "provider.mjs"), str(npm.folder("oidc-provider", _SOURCE))]


def main() -> int:
    """0: the server is there. 1: it could not be fetched; stderr says why."""
    return npm.fetch("oidc-provider", _SOURCE, "the authorization server of the tests")


if __name__ == "__main__":
    sys.exit(main())
