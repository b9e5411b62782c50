"""What an app's author declares by mistake is told before anybody calls it: where, what, and what there is instead."""

from __future__ import annotations

from typing import Any

import pytest

from engine.runtime.declarations import declared_fault
from engine.runtime.declared import Declared
from engine.runtime.outcomes import PluginFault
from engine.sdk.connections import (
    Auth,
    BasicAuth,
    BearerAuth,
    ConnectionType,
    HeaderAuth,
    HmacAuth,
    OAuth2,
    QueryAuth,
    TokenAuth,
)
from engine.sdk.http import BodyErrors, ErrorTable
from engine.sdk.modules import Action, Effect, Probe, Request, Search
from engine.sdk.paging import CursorPaging
from engine.sdk.schemas import field, options

TEXT = field("Text", "What it says.", type="string")
FINE = Request("GET", "/x")


def action(request: Request = FINE, effect: Any = Effect.READ, **more: Any) -> Action:
    parts = {"config": options("text", text=TEXT), **more}
    return Action(name="a", title="A", description="A.", effect=effect, request=request, **parts)


def kind(*auth: Auth, **more: Any) -> ConnectionType:
    fields = options("key", key=field("Key", "Of the account.", type="string", writeOnly=True), region=TEXT)
    return ConnectionType("pigeon", "Pigeon", **{"fields": fields, "auth": auth, **more})


def test_an_expression_that_cannot_be_read_is_named() -> None:
    for name in ("query", "body", "output", "expects", "gives", "absent", "warns"):
        said = declared_fault(action(Request("GET", "/x", **{name: "{to: to"})))  # type: ignore[arg-type]
        assert said == f"its {name} cannot be read: the expression ends too early: {{to: to"
    paged = Search(name="a", title="A", description="A.", config={}, request=FINE, paging=CursorPaging("after", "a["))
    assert str(declared_fault(paged)).startswith("its paging's next cannot be read")
    assert str(declared_fault(action(probe=Probe(FINE, "a[")))).startswith("its found cannot be read")
    probed = action(probe=Probe(FINE, "a", paging=CursorPaging("after", "a[")))
    assert str(declared_fault(probed)).startswith("its paging's next cannot be read")
    assert str(declared_fault(kind(errors=ErrorTable(said="a[")))).startswith("its errors' said cannot be read")
    assert str(declared_fault(kind(errors=ErrorTable(body=BodyErrors("a", taken="a["))))).startswith(
        "its errors' taken cannot be read"
    )


@pytest.mark.parametrize("path", ["/texts/{text", "/texts/text}", "/texts/{}", "/texts/{the text}", "/x/{config.text}"])
def test_a_brace_that_opens_or_closes_nothing(path: str) -> None:
    """It would be sent as it stands."""
    assert f"the path {path} has a brace that belongs to no {{key}}" in str(
        declared_fault(action(Request("GET", path)))
    )


def test_a_key_that_is_never_sent_makes_no_write_keyed() -> None:
    write = Request("POST", "/texts", body="@")
    assert "its effect is KEYED, and no `key_header` sends the key" in str(declared_fault(action(write, Effect.KEYED)))
    assert declared_fault(action(Request("POST", "/texts", key_header="Idempotency-Key"), Effect.KEYED)) is None
    assert declared_fault(action(write, Effect.KEYED, prepare=lambda call: {**call.config, "key": call.key})) is None
    assert declared_fault(action(write, lambda _config: Effect.KEYED)) is None


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "delete"])
def test_what_changes_something_is_no_read(method: str) -> None:
    assert f"its effect is READ, and {method} changes something" in str(declared_fault(action(Request(method, "/x"))))
    assert declared_fault(action(Request(method, "/x"), Effect.IDEMPOTENT)) is None
    assert declared_fault(action(Request("POST", "/search"))) is None, "a search may be a POST"


@pytest.mark.parametrize(
    "auth",
    [
        HeaderAuth("X-Key", "kye"),
        QueryAuth("key", "kye"),
        BearerAuth("kye"),
        BasicAuth("key", "kye"),
        HmacAuth("X-Signature", "kye"),
        TokenAuth("/token", {"secret": "kye"}, "token"),
    ],
)
def test_an_auth_that_sends_no_field_of_the_connection(auth: Auth) -> None:
    """Such requests would go out without it."""
    said = "sends 'kye', and its connection type has no field of this name (did you mean 'key'?)"
    assert declared_fault(kind(auth)) == f"its {type(auth).__name__} {said}"


def test_an_auth_that_fits_is_fine() -> None:
    fitting = (HeaderAuth("X-Key", "key"), BasicAuth("key"), OAuth2(token_url="https://pigeon.example.com/token"))
    assert declared_fault(kind(*fitting)) is None
    assert declared_fault(kind(BearerAuth("any"), fields={"type": "object"})) is None, "it takes any field"


def test_a_base_url_below_which_nothing_can_be_sent() -> None:
    said = "its base_url api.pigeon.example.com does not begin with https:// or http://"
    assert declared_fault(kind(base_url="api.pigeon.example.com")) == said
    assert "inserts 'regoin'" in str(declared_fault(kind(base_url="https://{regoin}.example.com")))
    for fine in ("", "https://{region}.example.com/v1", "{region}"):
        assert declared_fault(kind(base_url=fine)) is None


def test_a_key_that_has_to_be_given_and_cannot_be() -> None:
    assert declared_fault(action(config=options("txt", text=TEXT))) == (
        "its config requires 'txt', which is not there (did you mean 'text'?)"
    )
    assert (
        declared_fault(kind(fields=options("key"))) == "its fields require 'key', which is not there (there are none)"
    )
    assert declared_fault(action(config={"type": "object", "required": ["txt"]})) is None, "it takes any key"


def test_a_declaration_that_cannot_be_read_is_the_plugins_mistake() -> None:
    """So it fails the step, with nothing sent; it does not hold the run as a mistake of the engine's own."""
    broken = Request("GET", "/x", query="{to: to")
    paged = Search(name="a", title="A", description="A.", config={}, request=FINE, paging=CursorPaging("after", "a["))
    declared = Declared()
    for make in (
        lambda: declared.request("pigeon.a", broken),
        lambda: declared.reader("pigeon.a", paged),
        lambda: declared.probe("pigeon.a", Probe(FINE, "a[")),
    ):
        with pytest.raises(PluginFault, match=r"what pigeon.a declares cannot be read: .*; nothing was sent") as caught:
            make()
        assert caught.value.refused
        assert "engine check" in str(caught.value.hint)
