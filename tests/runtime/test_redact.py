"""Secrets are replaced wherever they are shown."""

from __future__ import annotations

import pytest

from engine.runtime.redact import Redactor, looks_secret


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "X-Api-Key",
        "api_key",
        "apiKey",
        "APIKEY",
        "access_token",
        "accessToken",
        "X-Yotpo-Token",
        "client_secret",
        "password",
        "user_password",
        "Set-Cookie",
        "cookie",
        "secrets",
        "private-key",
        "credentials",
        "x-shop-signature",
    ],
)
def test_secret_names(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["author", "email", "secretary", "tokenizer", "points", "key", "keyword", "passport", "id", "cookiecutter"]
)
def test_other_names(name: str) -> None:
    assert not looks_secret(name)


def test_values_are_found_in_every_form() -> None:
    redactor = Redactor(['pa"ss/wörd +1', "abc", ""])
    for shown in (
        'pa"ss/wörd +1',
        "pa%22ss%2Fw%C3%B6rd%20%2B1",
        "pa%22ss/w%C3%B6rd%20%2B1",
        "pa%22ss%2Fw%C3%B6rd+%2B1",
        'pa\\"ss/w\\u00f6rd +1',
        'pa\\"ss/wörd +1',
    ):
        assert redactor.text(f"<{shown}>") == "<•••>"
    assert redactor.text("abc") == "abc"


def test_a_secret_that_begins_with_another_goes_as_a_whole() -> None:
    assert Redactor(["s3cret", "s3cret-and-more"]).text("s3cret-and-more, s3cret") == "•••, •••"


def test_json() -> None:
    shown = Redactor(["s3cret"]).json(
        {
            "token": {"value": "x"},
            "password": None,
            "secret": "",
            "cookies": [],
            "authorization": False,
            "api_key": 12345,
            "s3cret": 1,
            "list": ["a s3cret b", 5, None, {"n": 1.5}],
        }
    )
    assert shown == {
        "token": "•••",
        "password": None,
        "secret": "",
        "cookies": [],
        "authorization": False,
        "api_key": "•••",
        "•••": 1,
        "list": ["a ••• b", 5, None, {"n": 1.5}],
    }
