"""``inputs``: what a scenario is given when somebody starts it, checked before anything runs."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

import jsonschema

from engine.scenario import types
from engine.scenario.config import describe
from engine.scenario.diagnostics import did_you_mean
from engine.sdk import jsontext
from engine.sdk.errors import EngineError
from engine.sdk.modules import Json, Schema

#: the types of an input
TYPES = ("string", "integer", "number", "boolean", "object", "array")


class BadInputs(EngineError):
    """A scenario is started with inputs that are missing, unknown, or not what it takes. All are listed.

    :param problems: name of the input and what is wrong with it.
    """

    code = "bad-inputs"

    def __init__(self, scenario: str, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        listed = "; ".join(f"{name}: {message}" for name, message in problems)
        super().__init__(f"'{scenario}' cannot be started: {listed}", hint="its `inputs` say what it takes")

    def to_json(self) -> dict[str, Any]:
        """As shown by the API and ``--json``: with ``inputs``, a list of ``{path, message}``."""
        listed = [{"path": f"inputs.{name}", "message": message} for name, message in self.problems]
        return {**super().to_json(), "inputs": listed}


def _date(text: str) -> bool:
    return len(text) == len("2024-03-05") and bool(date.fromisoformat(text))


def _moment(text: str) -> bool:
    return len(text) > len("2024-03-05") and datetime.fromisoformat(text).tzinfo is not None


def _uri(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.scheme and parts.netloc)


#: what ``format`` of a text is checked for
FORMATS: Mapping[str, Callable[[str], bool]] = {
    "email": lambda text: re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s.]+", text) is not None,
    "date": _date,
    "date-time": _moment,
    "uri": _uri,
    "uuid": lambda text: bool(uuid.UUID(text)),
}


def _formats() -> jsonschema.FormatChecker:
    checker = jsonschema.FormatChecker(())
    for name, fits in FORMATS.items():
        # what is no text has no format; its type says whether it may be none
        checker.checks(name, ValueError)(lambda value, fits=fits: not isinstance(value, str) or fits(value))
    return checker


_CHECKER = _formats()


def mistakes(schema: Schema, value: Json) -> list[str]:
    """What is wrong with a value, as sentences with the path to it."""
    found = jsonschema.Draft202012Validator(dict(schema), format_checker=_CHECKER).iter_errors(value)
    return [
        f"'{error.instance}' is no {error.validator_value}" if error.validator == "format" else describe(error)
        for error in found
    ]


@dataclass(frozen=True, slots=True)
class Input:
    """One input.

    :param schema: what it may be.
    :param default: what it is when it is not given.
    """

    name: str
    schema: Schema
    required: bool = False
    default: Json = None

    @property
    def known(self) -> Schema:
        """What an expression may take it for."""
        given = self.required or self.default is not None
        return self.schema if given else types.union([self.schema, types.NULL])

    def parse(self, text: str) -> Json:
        """The value that a text stands for; the text itself where it stands for none, so that its check says why."""
        wanted = types.types_of(self.schema)
        if wanted == frozenset({"string"}):
            return text
        try:
            value: Json = jsontext.loads(text.encode())
        except ValueError:
            return text
        fits = wanted is None or types.type_name(value) in wanted or (isinstance(value, int) and "number" in wanted)
        return value if fits else text


@dataclass(frozen=True, slots=True)
class Inputs:
    """All inputs of a scenario."""

    fields: tuple[Input, ...] = ()

    @property
    def schema(self) -> Schema:
        """What ``inputs`` is in expressions."""
        return types.closed({field.name: field.known for field in self.fields})

    @property
    def accepts(self) -> Schema:
        """What may be given."""
        wanted = [field.name for field in self.fields if field.required]
        return {**types.closed({field.name: field.schema for field in self.fields}), "required": wanted}

    @property
    def defaults(self) -> dict[str, Json]:
        """What ``inputs`` is where nobody gives any."""
        return {field.name: field.default for field in self.fields}

    def parse(self, texts: Mapping[str, str]) -> dict[str, Json]:
        """Texts of a command line as values, by the types of the inputs."""
        fields = {field.name: field for field in self.fields}
        return {name: fields[name].parse(text) if name in fields else text for name, text in texts.items()}

    def complete(self, scenario: str, given: Mapping[str, Json]) -> dict[str, Json]:
        """What was given, with the defaults of the others.

        :param scenario: its name, for the message.
        :raises BadInputs: all that is wrong.
        """
        known = [field.name for field in self.fields]
        problems = []
        for name in given:
            if name not in known:
                listing = did_you_mean(name, known) or (f"there are {', '.join(known)}" if known else "it takes none")
                problems.append((name, f"there is no such input ({listing})"))
        for field in self.fields:
            if field.name in given:
                problems += [(field.name, said) for said in mistakes(field.known, given[field.name])[:1]]
            elif field.required:
                problems.append((field.name, "is missing"))
        if problems:
            raise BadInputs(scenario, problems)
        return {field.name: given.get(field.name, field.default) for field in self.fields}
