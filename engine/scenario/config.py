"""A ``with:`` against its module's JSON Schema: at load, where expressions stand for values to come, and at run time.

At load an expression satisfies every keyword. Keywords that look at a whole value (``oneOf``, ``if``, ``not`` …) are
decided at run time as soon as an expression stands anywhere in it, except where no value of it could help.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema
import jsonschema_rs
from jsonschema.validators import extend

from engine.scenario.diagnostics import Place, did_you_mean, is_slip
from engine.scenario.nodes import Mapping, Node, Scalar, Sequence
from engine.scenario.report import Report
from engine.scenario.types import type_name, words
from engine.scenario.values import OPEN, has_expression
from engine.sdk.modules import Config, Json, Module, Schema

Error = jsonschema.ValidationError
_Keyword = Callable[[Any, Any, Any, Any], Iterator[Error] | None]

_STANDARD = jsonschema.Draft202012Validator
#: they look at a whole value, or count what ``omit()`` may leave out
_WHOLE = (
    "const",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "enum",
    "if",
    "maxItems",
    "maxProperties",
    "minItems",
    "minProperties",
    "not",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
)


@dataclass(frozen=True, slots=True)
class Later:
    """Stands for the value of an expression.

    :param text: it stands inside a text, so that the value is a text.
    """

    text: bool


def sketch(node: Node) -> Any:
    """The value of a node, with ``Later`` for what expressions give."""
    if isinstance(node, Scalar):
        if not has_expression(node):
            return node.value
        text = node.text.strip()
        whole = text.startswith(OPEN) and text.endswith("}}") and text.count(OPEN) == 1
        return Later(text=not whole)
    if isinstance(node, Sequence):
        return [sketch(item) for item in node.items]
    return {key.text: sketch(value) for key, value in node.entries}


def literal_part(node: Node | None) -> Config:
    """A ``with:`` without the keys whose values hold an expression."""
    if not isinstance(node, Mapping):
        return {}
    return {key.text: sketch(value) for key, value in node.entries if not has_expression(value)}


def _open(instance: Any) -> bool:
    if isinstance(instance, dict):
        return any(_open(value) for value in instance.values())
    if isinstance(instance, list):
        return any(_open(value) for value in instance)
    return isinstance(instance, Later)


def _lenient(name: str, standard: _Keyword) -> _Keyword:
    def keyword(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[Error]:
        if isinstance(instance, Later):
            if name == "type" and instance.text and "string" not in ([value] if isinstance(value, str) else value):
                yield Error("a text around an expression gives a text")
        elif not (name in _WHOLE and _open(instance)):
            for error in standard(validator, value, instance, schema) or ():
                # two branches of a oneOf may both seem to fit only because an expression stands for anything
                if not (name == "oneOf" and not error.context and _open(instance)):
                    yield error

    return keyword


_Checker: Any = extend(  # type: ignore[no-untyped-call]  # the stubs leave it out
    _STANDARD, {name: _lenient(name, keyword) for name, keyword in _STANDARD.VALIDATORS.items()}
)


def check_config(module: Module, node: Node | None, around: Place, report: Report, *, name: str) -> bool:
    """Check a ``with:`` at load. True when it has no mistake.

    :param around: where to point when the ``with:`` is not there.
    :param name: the module's name, for messages.
    """
    if node is not None and not isinstance(node, Mapping):
        report.add("config-type", "`with` must be a mapping of keys to values", node.place, "write `key: value` lines")
        return False
    return check_values(module.config, node, around, report, name=name)


def check_values(schema: Schema, node: Mapping | None, around: Place, report: Report, *, name: str) -> bool:
    """Check a mapping against the schema of an object, at load; as ``check_config``."""
    instance = sketch(node) if node is not None else {}
    errors = list(_Checker(schema).iter_errors(instance))
    for error in errors:
        _report(error, node, around, report, name)
    return not errors


def config_validator(module: Module) -> Callable[[Config], str | None]:
    """A check of resolved configs, compiled once: the first mistake as a sentence with the path to it, or None.

    A compiled validator says yes, a hundred times faster; whatever it does not accept, or cannot compile, is left to
    the one that the load uses, which alone says no.
    """
    validator, _, accepts = _validators(module)

    def validate(config: Config) -> str | None:
        if accepts(config):
            return None
        error = next(validator.iter_errors(config), None)
        return None if error is None else describe(error)

    return validate


def mistaken(module: Module, config: Config) -> Iterator[tuple[str | int, ...]]:
    """Where the mistakes of a resolved config are, all of them: the paths to them from its top."""
    for error in _validators(module)[0].iter_errors(config):
        yield tuple(error.absolute_path)


def schema_mistake(schema: Any) -> str | None:
    """Why something is no JSON Schema; None: it is one."""
    try:
        _STANDARD.check_schema(schema)
    except jsonschema.SchemaError as error:
        return error.message
    return None


def schema_validator(schema: Schema) -> Callable[[Json], str | None]:
    """A check of any value against a schema: the first mistake as a sentence with the path to it, or None."""
    validator = _STANDARD(schema)
    accepts = _compiled(schema)

    def validate(value: Json) -> str | None:
        if accepts(value):
            return None
        error = next(validator.iter_errors(value), None)
        return None if error is None else describe(error)

    return validate


#: the validators of modules that were met lately; the module is kept, so that its id stays its own
_LATELY: dict[int, tuple[Module, tuple[Any, Any, Callable[[Config], bool]]]] = {}
_MOST_LATELY = 1024


def _validators(module: Module) -> tuple[Any, Any, Callable[[Config], bool]]:
    """The strict validator of a module's config, the one that the load uses, and the compiled one."""
    known = _LATELY.get(id(module))
    if known is not None:
        return known[1]
    if len(_LATELY) >= _MOST_LATELY:
        _LATELY.clear()
    made = _STANDARD(module.config), _Checker(module.config), _compiled(module.config)
    _LATELY[id(module)] = module, made
    return made


def _compiled(schema: Schema) -> Callable[[Config], bool]:
    try:
        compiled = jsonschema_rs.Draft202012Validator(dict(schema))
    except ValueError:
        # a pattern that only Python's regular expressions know, or a reference that leads outside
        return lambda _config: False

    def accepts(config: Config) -> bool:
        try:
            return compiled.is_valid(config)
        except ValueError:
            # a value that is no JSON
            return False

    return accepts


def describe(error: Error) -> str:
    """A schema's mistake as a sentence with its path, such as ``customer.email: wants a text, not null``."""
    error, path = _deepest(error)
    _, message, hint = _words(error)
    if error.validator == "pattern" and hint:
        message += f" ({hint})"
    return f"{_dotted(path)}: {message}" if path else message


def _dotted(path: list[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _deepest(error: Error) -> tuple[Error, list[str | int]]:
    """The mistake in the branch of a combinator that fits best, where one clearly does."""
    path = list(error.absolute_path)
    while error.validator in ("anyOf", "oneOf") and error.context:
        branches: dict[Any, list[Error]] = {}
        for inner in error.context:
            branches.setdefault(inner.schema_path[0], []).append(inner)
        fitting = [found for found in branches.values() if not any(_at_top(inner) for inner in found)]
        if len(fitting) != 1:
            break
        error = fitting[0][0]
        path += error.relative_path
    return error, path


def _at_top(error: Error) -> bool:
    return not error.relative_path


def _report(error: Error, node: Node | None, around: Place, report: Report, name: str) -> None:
    error, path = _deepest(error)
    target, key = _find(node, path)
    place = target.place if target is not None else around
    if error.validator == "additionalProperties" and isinstance(target, Mapping):
        schema: Any = error.schema
        known = list(schema.get("properties", {}))
        for extra in _extras(error):
            at = next((k.place for k, _ in target.entries if k.text == extra), place)
            where = f"'{_dotted(path)}'" if path else name
            listing = f"known keys: {', '.join(known)}" if known else "it takes no keys"
            nearer = _below(schema, extra) or did_you_mean(extra, known) or listing
            report.add("config-key", f"{where} has no key '{extra}'", at, nearer)
        return
    code, message, hint = _words(error)
    if code == "config-missing" and target is not None:
        place = key.place if key is not None else around
    report.add(code, f"{_dotted(path) or name}: {message}", place, hint)


def _below(schema: Any, extra: str) -> str | None:
    """Where a key belongs that stands one level too high: below the one key that knows it, or that takes any name."""
    objects = {
        name: one
        for name, one in schema.get("properties", {}).items()
        if isinstance(one, dict) and one.get("type") in ("object", ["object", "null"])
    }
    knowing = [name for name, one in objects.items() if extra in one.get("properties", {})]
    if len(knowing) == 1:
        return f"it stands below `{knowing[0]}`"
    if knowing or is_slip(extra, schema.get("properties", {})):
        return None
    of_any_name = [name for name, one in objects.items() if _takes_any_name(one)]
    return f"what has a name of your own stands below `{of_any_name[0]}`" if len(of_any_name) == 1 else None


def _takes_any_name(schema: Any) -> bool:
    return "properties" not in schema and schema.get("additionalProperties", True) is not False


def _find(node: Node | None, path: list[str | int]) -> tuple[Node | None, Scalar | None]:
    key: Scalar | None = None
    for part in path:
        if isinstance(node, Sequence) and isinstance(part, int):
            node = node.items[part]
        elif isinstance(node, Mapping):
            key, node = next((pair for pair in node.entries if pair[0].text == part), (key, None))
    return node, key


def _extras(error: Error) -> list[str]:
    schema: Any = error.schema
    instance: Any = error.instance
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    return [key for key in instance if key not in known and not any(re.search(p, key) for p in patterns)]


def _words(error: Error) -> tuple[str, str, str | None]:
    """Code, message and hint of a schema's mistake."""
    value: Any = error.instance
    wanted: Any = error.validator_value
    if isinstance(value, Later):
        return "config-type", f"wants {words(_list(wanted))}, an expression inside a text gives a text", _ALONE
    match error.validator:
        case "type":
            hint = _type_hint(_list(wanted), value) or _description(error)
            return "config-type", f"wants {words(_list(wanted))}, not {_shown(value)}", hint
        case "required":
            missing = next((name for name in wanted if name not in value), wanted[0])
            return "config-missing", f"'{missing}' is missing", None
        case "dependentRequired":
            return "config-missing", error.message, None
        case "additionalProperties" | "unevaluatedProperties":
            extras = ", ".join(f"'{name}'" for name in _extras(error))
            return "config-key", f"has no key {extras}", None
        case "anyOf" | "oneOf":
            return _branches(error)
        case "enum":
            listing = ", ".join(str(option) for option in wanted)
            hint = did_you_mean(value, [o for o in wanted if isinstance(o, str)]) if isinstance(value, str) else None
            return "config-value", f"{_shown(value)} is not one of {listing}", hint
        case "const":
            return "config-value", f"must be {_shown(wanted)}, not {_shown(value)}", None
        case "pattern":
            # what the app says in words helps more than the pattern
            in_words = _description(error)
            message = "is not of the form that is wanted" if in_words else f"does not match {wanted}"
            return "config-value", f"{_shown(value)} {message}", in_words
        case "minLength":
            return "config-value", "must not be empty" if wanted == 1 else f"wants at least {wanted} characters", None
        case "minimum" | "exclusiveMinimum":
            bound = "at least" if error.validator == "minimum" else "more than"
            return "config-value", f"{_shown(value)} is too small, it must be {bound} {wanted}", None
        case "maximum" | "exclusiveMaximum":
            bound = "at most" if error.validator == "maximum" else "less than"
            return "config-value", f"{_shown(value)} is too large, it must be {bound} {wanted}", None
        case "not":
            return "config-value", _forbidden(wanted), None
        case _:
            return "config-value", error.message, None


_ALONE = "let the expression stand alone, without text around it"


def _description(error: Error) -> str | None:
    schema: Any = error.schema
    return schema.get("description") or None if isinstance(schema, dict) else None


def _list(wanted: Any) -> list[str]:
    return [wanted] if isinstance(wanted, str) else list(wanted)


def _shown(value: Json) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower() if value is not None else "null"
    if isinstance(value, str):
        return f"the text '{value if len(value) <= 40 else value[:37] + '...'}'"
    if isinstance(value, int | float):
        return f"the number {value}"
    return words([type_name(value)])


def _type_hint(wanted: list[str], value: Json) -> str | None:
    if isinstance(value, str):
        if "boolean" in wanted and value.lower() in ("true", "yes", "on", "y"):
            return "write true"
        if "boolean" in wanted and value.lower() in ("false", "no", "off", "n"):
            return "write false"
        if {"integer", "number"} & {*wanted} and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
            number = re.sub("^(-?)0+(?=[0-9])", r"\1", value)
            return f"write {number} without quotes"
        if "array" in wanted:
            return f"write a list: [{value}]"
    elif "string" in wanted and isinstance(value, bool | int | float):
        return f'write it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'
    elif "array" in wanted and value is not None:
        return "write it as a list"
    return None


def _branches(error: Error) -> tuple[str, str, str | None]:
    forms: Any = error.validator_value
    required = [branch.get("required") for branch in forms if isinstance(branch, dict)]
    if not error.context:
        return "config-value", "fits several forms of which only one may be meant", None
    if len(required) == len(forms) and all(required) and isinstance(error.instance, dict):
        present = [names for names in required if names and all(name in error.instance for name in names)]
        options = ", ".join(" with ".join(f"'{name}'" for name in names or ()) for names in required)
        if present:
            return "config-value", f"only one of {options} may be given here", None
        return "config-missing", f"one of {options} is needed", None
    if all(inner.validator == "type" and not inner.relative_path for inner in error.context):
        wanted = [name for inner in error.context for name in _list(inner.validator_value)]
        hint = _type_hint(wanted, error.instance)
        return "config-type", f"wants {words(wanted)}, not {_shown(error.instance)}", hint
    reasons = dict.fromkeys(_words(inner)[1] for inner in error.context)
    return "config-value", f"fits none of the forms allowed here: {'; or '.join(list(reasons)[:4])}", None


def _forbidden(schema: Schema) -> str:
    names = schema.get("required") if isinstance(schema, dict) else None
    if names:
        return f"{' with '.join(repr(name) for name in names)} may not be given here"
    return "has a form that is not allowed here"
