"""The page behind an approval's link: what is asked, and two buttons.

To look at it decides nothing, because programs that scan mails open links. Only its form, sent, is an answer.
"""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs

from aiohttp import web

from engine.runtime.answers import approve
from engine.runtime.host import Host
from engine.sdk import jsontext
from engine.store.ids import show
from engine.store.waits import Wait, WaitState

#: below it stand the tokens
PREFIX = "/approve/"
#: bytes of an answer; more is refused
MOST = 20_000
#: characters of a comment and of a name that are kept
COMMENT, NAME = 2_000, 200

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 36em; margin: 3em auto; padding: 0 1em }}
.asked {{ white-space: pre-wrap; font-size: 1.25em; overflow-wrap: anywhere }}
.about {{ color: #555 }}
input, textarea {{ display: block; width: 100%; box-sizing: border-box; margin: .25em 0 1em; font: inherit }}
button {{ font: inherit; padding: .5em 1.5em; margin-right: 1em }}
</style></head><body>
{body}
</body></html>
"""
_FORM = """<form method="post">
<label>Your name (kept with the answer) <input name="by" maxlength="{name}" autocomplete="name"></label>
<label>Comment <textarea name="comment" rows="3" maxlength="{comment}"></textarea></label>
<button name="answer" value="yes">Approve</button>
<button name="answer" value="no">Refuse</button>
</form>"""


class ApprovalPages:
    """Shows them, and takes the answers."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """The answer to a request below ``PREFIX``."""
        if request.method not in ("GET", "HEAD", "POST"):
            return _page(405, "Not here", "<p>This address is opened, or its form is sent.</p>")
        wait = await self._host.store.waits.by_token(request.path.removeprefix(PREFIX))
        if wait is None:
            return _page(404, "No such question", "<p>This link leads to no question, or is incomplete.</p>")
        if request.method == "POST":
            return await self._answer(request, wait)
        return self._show(wait)

    async def _answer(self, request: web.BaseRequest, wait: Wait) -> web.Response:
        if (request.content_length or 0) > MOST:
            return _page(413, "Too long", "<p>The comment is too long.</p>")
        form = parse_qs((await request.content.read(MOST)).decode("utf-8", "replace"))
        said = form.get("answer", [""])[0]
        if said not in ("yes", "no"):
            return _page(400, "No answer", "<p>Choose one of the two buttons.</p>")
        if wait.state in (WaitState.OPEN, WaitState.ANNOUNCED):
            host = self._host
            comment, by = form.get("comment", [""])[0][:COMMENT], form.get("by", [""])[0][:NAME]
            now, faults = host.clock.time(), host.options.faults
            wait = await approve(
                host.store, host.runner, wait, now, yes=said == "yes", comment=comment, by=by, faults=faults
            )
        return self._show(wait)

    def _show(self, wait: Wait) -> web.Response:
        detail = jsontext.loads(wait.detail) if wait.detail else {}
        asked = f'<p class="asked">{escape(str(detail["text"]))}</p>' if "text" in detail else ""
        about = f'<p class="about">asked by {escape(wait.scenario)}, run {show(wait.run_id)}</p>'
        title, words = self._words(wait)
        return _page(200, title, f"<h1>{title}</h1>{asked}{about}{words}")

    def _words(self, wait: Wait) -> tuple[str, str]:
        match wait.state:
            case WaitState.OPEN:
                return "Your approval is asked for", _FORM.format(name=NAME, comment=COMMENT)
            case WaitState.ANNOUNCED:
                note = "<p>The run has not come to this question yet. An answer now is kept for it.</p>"
                return "Your approval will be asked for", note + _FORM.format(name=NAME, comment=COMMENT)
            case WaitState.ANSWERED | WaitState.EARLY:
                answer = jsontext.loads(wait.answer) if wait.answer else {}
                said = "Approved" if answer.get("approved") else "Refused"
                by = f" by {escape(str(answer['by']))}" if answer.get("by") else ""
                comment = f'<p class="asked">{escape(str(answer["comment"]))}</p>' if answer.get("comment") else ""
                later = "<p>The run has not come to this question yet; the answer is kept for it.</p>"
                note = later if wait.state is WaitState.EARLY else ""
                return (
                    said,
                    f"<p>{said}{by}, {escape(str(answer.get('at')))}. Nothing is left to do.</p>{comment}{note}",
                )
            case WaitState.TIMED_OUT:
                return "Too late", "<p>The time for this answer is over; the run went on without it.</p>"
            case _:
                return "No longer asked", "<p>The run ended, or went on without this answer.</p>"


def _page(status: int, title: str, body: str) -> web.Response:
    text = _PAGE.format(title=escape(title), body=body)
    return web.Response(status=status, text=text, content_type="text/html", headers=_HEADERS)
