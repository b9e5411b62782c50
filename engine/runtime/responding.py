"""Answers to webhooks from within scenarios: who waits for one, and the step that gives it.

An answer leaves after it is durable, and with it all that the run recorded before. Nobody waits where the run is taken
up by another process, the time is over, or the event came in another way: the run goes on as if somebody had.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.runtime.outcomes import StepFailed
from engine.runtime.scope import Scope
from engine.scenario.expressions import OMIT
from engine.scenario.plan import RespondStep
from engine.scenario.responding import LEAST_STATUS, MOST_STATUS
from engine.sdk import jsontext
from engine.sdk.errors import DataError

if TYPE_CHECKING:
    from engine.runtime.interpreter import Interpreter

#: key of the decision which step of a run has answered
FIRST = "run.responded"


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer.

    :param body: a text as it stands, anything else as JSON; null: none.
    """

    status: int
    headers: Mapping[str, str]
    body: Any = None

    def to_json(self) -> dict[str, Any]:
        return {"status": self.status, "headers": dict(self.headers), "body": self.body}

    def encoded(self) -> tuple[bytes, str | None]:
        """The bytes of the body, and their type where the headers do not say it."""
        if self.body is None:
            return b"", None
        told = any(name.lower() == "content-type" for name in self.headers)
        if isinstance(self.body, str):
            return self.body.encode(), None if told else "text/plain; charset=utf-8"
        return jsontext.dumps(self.body), None if told else "application/json"


class Expected:
    """Somebody who waits for the answer of one of some runs."""

    def __init__(self, run_ids: Iterable[int]) -> None:
        self.left = set(run_ids)
        self.answer: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()


class Responses:
    """Who waits in this process."""

    def __init__(self) -> None:
        #: by run
        self.waiting: dict[int, Expected] = {}

    def expect(self, run_ids: Iterable[int]) -> Expected:
        """Wait for the first answer that one of these runs gives."""
        expected = Expected(run_ids)
        for run_id in expected.left:
            self.waiting[run_id] = expected
        return expected

    def give(self, run_id: int, response: Response) -> bool:
        """Answer; gives whether somebody waited."""
        expected = self.waiting.get(run_id)
        if expected is None or expected.answer.done():
            return False
        expected.answer.set_result(response)
        return True

    def over(self, run_id: int) -> None:
        """A run has come to rest: it answers no more."""
        expected = self.waiting.pop(run_id, None)
        if expected is not None:
            expected.left.discard(run_id)
            if not expected.left and not expected.answer.done():
                expected.answer.set_result(None)

    def leave(self, expected: Expected) -> None:
        """Wait no more."""
        for run_id in tuple(expected.left):
            if self.waiting.get(run_id) is expected:
                del self.waiting[run_id]

    def close(self) -> None:
        """Nobody is kept waiting any more."""
        for run_id in tuple(self.waiting):
            self.over(run_id)


async def respond(walk: Interpreter, step: RespondStep, path: str, _loop: str, scope: Scope) -> Any:
    """Walk a ``respond``."""
    context = walk.effects.context(path)

    def made() -> Response:
        status = step.status.evaluate(scope.names, context)
        headers = {} if step.headers is None else step.headers.evaluate(scope.names, context)
        body = None if step.body is None else step.body.evaluate(scope.names, context)
        return _response(step, path, status, headers, None if body is OMIT else body)

    return await walk.effects.respond(step, path, made)


def _response(step: RespondStep, path: str, status: Any, headers: Mapping[str, Any], body: Any) -> Response:
    wrong = None
    if isinstance(status, float) and status.is_integer():
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int) or not LEAST_STATUS <= status <= MOST_STATUS:
        wrong = f"`status` must be a number from {LEAST_STATUS} to {MOST_STATUS}, not {jsontext.dumps(status).decode()}"
    texts: dict[str, str] = {}
    for name, value in headers.items():
        text = value if isinstance(value, str) else "" if value is None else jsontext.dumps(value).decode()
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
            wrong = f"the header '{name}' would hold a control character"
        texts[name] = text
    if wrong is not None:
        error = DataError(wrong, refused=True, place=str(step.place), hint="nothing was answered")
        raise StepFailed(path, error.to_json())
    return Response(status, texts, body)
