"""Carrying out a module's call: searches, plugin mistakes, and failures after the vendor said yes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine import Action, Batch, Call, DataError, Done, Effect, NotFound, Page, Response, Search, VendorError
from engine.runtime.callers import SEARCH_LIMIT, Attempt, ModuleCaller
from engine.runtime.connections import OpenConnection
from engine.scenario.diagnostics import Place
from engine.scenario.expressions import Template
from engine.scenario.plan import ModuleStep
from engine.sdk.clock import utc
from engine.sdk.errors import ModuleError
from engine.sdk.modules import RunInfo


class Client:
    """Answers every request with 200, but one path with a refusal."""

    async def request(self, method: str, path: str, **options: Any) -> Response:
        if path == "/absent":
            raise NotFound("there is no /absent", refused=True, status=404)
        return Response(200, {}, b'{"ok": true}')


class Links:
    """Every connection leads to the same client."""

    def open(
        self, name: str | None, kind: str | None, warn: Callable[[str], None], *, admitted: bool
    ) -> OpenConnection:
        async def fields() -> dict[str, Any]:
            return {}

        return OpenConnection({"shop": "one"}, Client(), fields)


@dataclass
class Notes:
    warnings: list[str] = field(default_factory=list)

    @property
    def attempt(self) -> Attempt:
        return Attempt("key", utc(0), RunInfo("r", "s", 1), self.warnings.append)


def step(module: Any) -> ModuleStep:
    return ModuleStep(
        path="s",
        id="s",
        place=Place("a.yaml", 3, 5),
        module_name=f"app.{module.name}",
        module=module,
        connection=None,
        config=Template.constant({}),
        validate=lambda _config: None,
    )


def action(run: Callable[[Call], Any], effect: Effect = Effect.WRITE) -> ModuleStep:
    schema = {"type": "object"}
    return step(Action(name="a", title="a", description="a", config=schema, effect=effect, run=run))


def search(pages: dict[Any, Page]) -> ModuleStep:
    async def page(call: Call, cursor: Any) -> Page:
        return pages[cursor]

    return step(Search(name="find", title="find", description="find", config={"type": "object"}, page=page))


CALLER = ModuleCaller(Links())  # type: ignore[arg-type]


async def test_a_search_gives_the_items_of_all_pages() -> None:
    pages = {None: Page([1, 2], cursor="b"), "b": Page([3], cursor={"c": 1}["c"]), 1: Page([4])}
    assert await CALLER.call(search(pages), {}, Notes().attempt) == [1, 2, 3, 4]


async def test_a_search_stops_at_its_limit_without_asking_for_more() -> None:
    pages = {None: Page([1, 2], cursor="b"), "b": Page([3, 4], cursor="never asked for")}
    assert await CALLER.call(search(pages), {"limit": 3}, Notes().attempt) == [1, 2, 3]


async def test_a_search_without_a_limit_is_never_cut_off_in_silence() -> None:
    pages = {None: Page([0] * SEARCH_LIMIT, cursor="more"), "more": Page([1])}
    with pytest.raises(DataError, match="more than 10000 items"):
        await CALLER.call(search(pages), {}, Notes().attempt)


async def test_a_search_gathers_no_more_pages_than_an_output_may_be_large() -> None:
    pages = {None: Page(["x" * 600], cursor="b"), "b": Page(["x" * 600], cursor="c")}
    caller = ModuleCaller(Links(), 1000)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="more than 1000 bytes"):
        await caller.call(search(pages), {}, Notes().attempt)


@pytest.mark.parametrize("items", [[], [1]], ids=["empty pages", "full pages"])
@pytest.mark.parametrize("way", [{None: "b", "b": "b"}, {None: "b", "b": "c", "c": "b"}], ids=["one", "two"])
async def test_a_search_that_goes_in_a_circle_ends(items: list[int], way: dict[Any, Any]) -> None:
    pages = {cursor: Page(items, cursor=following) for cursor, following in way.items()}
    with pytest.raises(DataError, match="the pages of find lead in a circle"):
        await CALLER.call(search(pages), {"limit": 1000}, Notes().attempt)


async def test_a_search_that_finds_no_last_page_ends() -> None:
    class Endless(dict[Any, Page]):
        def __missing__(self, cursor: Any) -> Page:
            return Page([], cursor=(cursor or 0) + 1)

    with pytest.raises(DataError, match=f"to no end: after the cursor {SEARCH_LIMIT - 1}"):
        await CALLER.call(search(Endless()), {}, Notes().attempt)


async def test_a_mistake_in_a_plugin_names_the_module_the_file_and_the_line() -> None:
    async def run(call: Call) -> Any:
        return {}["missing"]

    with pytest.raises(ModuleError, match=r"app\.a raised KeyError: 'missing' at .*test_callers\.py:\d+") as caught:
        await CALLER.call(action(run), {}, Notes().attempt)
    assert caught.value.code == "plugin-error"
    assert caught.value.place == "a.yaml:3:5"
    assert not caught.value.refused


async def test_a_failure_after_the_vendor_said_yes_is_a_warning() -> None:
    async def run(call: Call) -> Any:
        await call.http.request("POST", "/charges")
        raise VendorError("the answer has an unexpected shape")

    notes = Notes()
    assert await CALLER.call(action(run), {}, notes.attempt) is None
    assert "unexpected shape" in notes.warnings[0]


async def test_a_module_may_still_say_that_an_accepted_request_was_refused() -> None:
    async def run(call: Call) -> Any:
        await call.http.request("POST", "/users")
        raise DataError("the vendor answered 200 and refused the user", refused=True)

    with pytest.raises(DataError, match="refused the user"):
        await CALLER.call(action(run), {}, Notes().attempt)


async def test_a_later_request_that_is_refused_does_not_take_the_accepted_one_back() -> None:
    """Else the write would be sent again."""

    async def run(call: Call) -> Any:
        await call.http.request("POST", "/charges")
        await call.http.request("GET", "/absent")

    notes = Notes()
    assert await CALLER.call(action(run), {}, notes.attempt) is None
    assert "there is no /absent" in notes.warnings[0]


@pytest.mark.parametrize(("paths", "refused"), [(("/a", "/absent"), False), (("/absent",), True)])
async def test_of_a_batch_a_later_refusal_does_not_say_that_the_items_before_were_refused(
    paths: tuple[str, ...], refused: bool
) -> None:
    async def run(call: Call) -> Any:
        for path in paths:
            await call.http.request("POST", path)
        return [Done()]

    config = {"type": "object", "properties": {"items": {"type": "array"}}}
    batch = Action(
        name="a",
        title="a",
        description="a",
        config=config,
        output={"type": "object"},
        effect=Effect.WRITE,
        run=run,
        batch=Batch(items="items"),
    )
    with pytest.raises(NotFound) as caught:
        await ModuleCaller(Links()).call(step(batch), {"items": [1]}, Notes().attempt)  # type: ignore[arg-type]
    assert caught.value.refused is refused


async def test_a_request_that_is_refused_before_the_write_proves_that_nothing_was_written() -> None:
    async def run(call: Call) -> Any:
        await call.http.request("GET", "/absent")
        await call.http.request("POST", "/charges")

    with pytest.raises(NotFound) as caught:
        await CALLER.call(action(run), {}, Notes().attempt)
    assert caught.value.refused


@pytest.mark.parametrize(("method", "effect"), [("GET", Effect.WRITE), ("POST", Effect.READ)])
async def test_a_failure_is_a_failure_when_nothing_was_accepted(method: str, effect: Effect) -> None:
    async def run(call: Call) -> Any:
        await call.http.request(method, "/charges")
        raise VendorError("no")

    with pytest.raises(VendorError):
        await CALLER.call(action(run, effect), {}, Notes().attempt)


async def test_the_module_sees_the_connection_without_secrets_and_the_key() -> None:
    async def run(call: Call) -> Any:
        return {"shop": call.connection["shop"], "key": call.key, "run": call.run.id}

    attempt = Notes().attempt
    assert await CALLER.call(action(run), {}, attempt) == {"shop": "one", "key": attempt.key, "run": "r"}
    assert attempt.key == "d0ea6f98-02a1-5309-a009-a15a4edaf607", "vendors have seen the keys of earlier versions"
