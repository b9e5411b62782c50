"""Sending a simulator's webhooks as its vendor would: one POST each, and what came back."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
from multidict import CIMultiDict

from engine.sdk import jsontext
from engine.sdk.apps import WebhookSample

#: seconds that a receiver has to answer
TIMEOUT = 30.0
#: in a header's value: a new UUID for each webhook
NEW_UUID = "{uuid}"
#: of an answer, for showing it
_READABLE = 2000

_ADVICE: Mapping[int, str] = {
    400: "the receiver cannot read the body; its answer says why",
    401: "the URL's sender check refuses it: give what it asks for, such as --header 'Authorization: TEXT'",
    404: "no webhook has this URL; `engine webhooks` lists them",
    405: "this URL is not a webhook's; `engine webhooks` lists them",
    410: "the URL was replaced by another; `engine webhooks` shows it",
    413: "the receiver takes no body of this size",
    429: "the receiver takes no more at the moment; send more slowly",
    503: "the receiver cannot store it now; see what it says itself",
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one webhook.

    :param status: the answer's status; None: there was no answer.
    :param answer: the answer's body, or why there was none, in one line.
    """

    status: int | None
    answer: str

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def advice(self) -> str | None:
        """What to do about one that was not taken."""
        if self.taken:
            return None
        if self.status is None:
            return "is `engine serve` or `engine run` running, and is this one of the URLs that it shows?"
        if 300 <= self.status < 400:
            return "senders follow no redirect: give the URL that it leads to"
        return _ADVICE.get(self.status, "see what the receiver says itself")


class WebhookPost:
    """Posts webhooks to one URL: ``async with WebhookPost(url) as post``.

    :param headers: sent with each, in place of a sample's own of the same name.
    """

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._headers = headers or {}
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(self, sample: WebhookSample) -> Sent:
        """Send it once, whatever comes of it."""
        headers = CIMultiDict({"Content-Type": "application/json"})
        for given in (sample.headers, self._headers):
            headers.update({name: value.replace(NEW_UUID, str(uuid.uuid4())) for name, value in given.items()})
        try:
            async with self._session.post(
                self._url, data=jsontext.dumps(sample.body), headers=headers, allow_redirects=False
            ) as answer:
                text = await answer.text(errors="replace")
        except TimeoutError:
            return Sent(None, f"no answer in {TIMEOUT:.0f} seconds")
        except aiohttp.ClientConnectorError as error:
            return Sent(None, f"no connection: {os.strerror(error.errno) if error.errno else error}")
        except aiohttp.ClientError as error:
            return Sent(None, f"no answer: {error or type(error).__name__}")
        return Sent(answer.status, " ".join(text[:_READABLE].split()))
