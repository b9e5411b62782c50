"""The page to which a vendor sends the browser back when somebody has agreed, or has not.

It takes an answer once, and shows what came of it. Nothing of the answer is logged or shown: a code is a key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from html import escape

from aiohttp import web

from engine.runtime import consents
from engine.runtime.connections import Connections
from engine.sdk.errors import EngineError
from engine.store.interface import Store

#: characters of an answer that are read; a longer one is no answer to us
MOST = 8_000

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    # the address has the code: no page that is opened from here may learn it
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 36em; margin: 3em auto; padding: 0 1em }}</style>
</head><body>
<h1>{title}</h1>
{body}
</body></html>
"""

log = logging.getLogger(__name__)


class ConsentPages:
    """Takes the answers.

    :param wake: told when runs go on that were held for a connection.
    """

    def __init__(self, connections: Connections, store: Store, wake: Callable[[], None]) -> None:
        self._connections = connections
        self._store = store
        self._wake = wake

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """The answer to a request for ``CALLBACK``."""
        if request.method != "GET":
            return _page(405, "Not here", "<p>A vendor sends a browser to this address.</p>")
        if len(request.query_string) > MOST:
            return _page(414, "Too long", "<p>This is no answer to a link of ours.</p>")
        # the first of each: who adds another gains nothing by it
        query = {name: request.query.getall(name)[0] for name in request.query}
        name = None
        try:
            name = await consents.connection_of(self._connections.grants, query.get("state", ""))
            await self._take(name, query)
        except EngineError as error:
            log.warning(
                "connection '%s' was not authorized: %s", name or "?", error.message, extra={"action": "not_authorized"}
            )
            hint = f"<p>{escape(error.hint.replace('`', ''))}</p>" if error.hint else ""
            what = f"<p>{escape(error.message)} <small>[{error.code}]</small></p>{hint}"
            return _page(400, "Nothing came of it", what)
        return _page(
            200, "Authorized", f"<p>The connection <b>{escape(name)}</b> can be used. This page can be closed.</p>"
        )

    async def _take(self, name: str, query: dict[str, str]) -> None:
        place = self._connections.places().get(name)
        server = await self._connections.server(name) if place is not None else None
        if server is None:
            raise consents.ConsentUnknown(
                f"connection '{name}' is not in connections.yaml any more, or signs in otherwise now"
            )
        await consents.take(server, self._connections.grants, query, str(place))
        if await consents.release(self._store, self._connections.grants, name):
            self._wake()


def _page(status: int, title: str, body: str) -> web.Response:
    return web.Response(
        status=status, text=_PAGE.format(title=title, body=body), content_type="text/html", headers=_HEADERS
    )
