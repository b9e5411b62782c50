"""A real authorization server, and a browser with somebody at it."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import aiohttp

from tests.oauth.get_server import COMMAND, server

CLIENT, SECRET = "engine", "s3cret-of-the-client"
#: registered at the server, and exact
REDIRECT = "http://127.0.0.1:8080/oauth/callback"
#: steps that a browser makes before somebody gives up
STEPS = 12


@dataclass
class Server:
    """The server in a process of its own.

    :param redirect: where it may send browsers back to.
    """

    redirect: str = REDIRECT
    issuer: str = ""

    def __enter__(self) -> Self:
        settings = {
            "clients": [
                {
                    "client_id": CLIENT,
                    "client_secret": SECRET,
                    "redirect_uris": [self.redirect],
                    "grant_types": ["authorization_code", "refresh_token"],
                    "response_types": ["code"],
                },
                {
                    "client_id": "robot",
                    "client_secret": SECRET,
                    "redirect_uris": [],
                    "grant_types": ["client_credentials"],
                    "response_types": [],
                    "token_endpoint_auth_method": "client_secret_post",
                },
            ]
        }
        try:
            self._process = subprocess.Popen(
                server(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise RuntimeError(f"the authorization server of the tests is not there: {COMMAND}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(settings).encode())
        self._process.stdin.close()
        self.issuer = self._process.stdout.readline().decode().strip()
        assert self.issuer, f"the authorization server of the tests does not start: {COMMAND}"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def turn(self, seconds: float) -> None:
        """Let the server's own time go on."""
        self._ask(f"clock?seconds={seconds}")

    @contextmanager
    def down(self, how: str = "fails") -> Iterator[None]:
        """In here its token endpoint answers 503, or nothing (``hangs``)."""
        self._ask(f"down?how={how}")
        try:
            yield
        finally:
            self._ask("down?how=no")

    def asked(self) -> None:
        """Return when somebody waits for its token endpoint, which hangs."""
        self._ask("asked")

    def counts(self) -> dict[str, int]:
        """How often tokens were given, by kind of grant; under ``refused``: how often they were not."""
        found: dict[str, int] = self._ask("counts")
        return found

    def _ask(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self.issuer}/test/{what}", timeout=10) as answer:
            return json.loads(answer.read())

    def revoke(self, token: str) -> None:
        """Take a grant back, as its owner does at the vendor."""
        self._as_client("revocation", f"token={token}")

    def active(self, token: str) -> bool:
        """Whether the server would still take a token."""
        return bool(json.loads(self._as_client("introspection", f"token={token}"))["active"])

    def refreshes(self, token: str) -> bool:
        """Whether somebody who has a copy of a refresh token gets anything for it."""
        try:
            self._as_client("", f"grant_type=refresh_token&refresh_token={token}")
        except urllib.error.HTTPError as error:
            if json.loads(error.read())["error"] != "invalid_grant":
                raise
            return False
        return True

    def _as_client(self, what: str, form: str) -> bytes:
        pair = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        url = f"{self.issuer}/token" + (f"/{what}" if what else "")
        request = urllib.request.Request(url, form.encode(), {"Authorization": f"Basic {pair}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())

    def fields(self) -> str:
        """Of a connection to it, as ``connections.yaml`` has them."""
        return (
            f"base_url: '{self.issuer}', authorize_url: '{self.issuer}/auth', token_url: '{self.issuer}/token', "
            f"revoke_url: '{self.issuer}/token/revocation', scopes: 'openid points', client_id: {CLIENT}"
        )


async def somebody(link: str, *, agrees: bool = True) -> str:
    """Open a link, sign in, and agree or not; gives the URL to which the browser is sent back."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        home = urlsplit(link).netloc
        method, url, form = "GET", link, None
        for _ in range(STEPS):
            async with browser.request(method, url, data=form, allow_redirects=False) as answer:
                page = await answer.text()
                method, form = "GET", None
                if 300 <= answer.status < 400:
                    url = urljoin(url, answer.headers["Location"])
                    if urlsplit(url).netloc != home:
                        return url
                    continue
                assert answer.status == 200, f"{answer.status}: {page[:500]}"
                if 'value="consent"' in page and not agrees:
                    found = re.search(r'href="([^"]*/abort)"', page)
                    assert found, page
                    url = urljoin(url, unescape(found[1]))
                    continue
                found = re.search(r'<form[^>]*action="([^"]+)"', page)
                assert found, page
                method, url = "POST", urljoin(url, unescape(found[1]))
                form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
                if 'name="login"' in page:
                    form |= {"login": "ana@example.com", "password": "of-ana"}
    raise AssertionError(f"nobody is sent back; the last page was {url}")
