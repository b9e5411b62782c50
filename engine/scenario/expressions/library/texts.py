"""Texts. Places in a text count from 0; an end is not included."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import nh3

from engine.scenario.expressions.declare import (
    Call,
    Function,
    Refused,
    anything,
    array,
    boolean,
    define,
    integer,
    room,
    text,
    to_text,
)
from engine.scenario.expressions.frame import MAX_OUTPUT, Frame
from engine.scenario.expressions.values import heavier_than
from engine.sdk.functions import Parameter

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W_A-Z]+|[^\W_]+")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~])")
#: the HTML parser takes time by the square of how deep tags stand in each other; so many steps for the square
_TAGS_PER_STEP = 400


def _join(glue: str, texts: list[str]) -> str:
    if heavier_than(texts, MAX_OUTPUT) or len(glue) * len(texts) > MAX_OUTPUT:
        room(MAX_OUTPUT + 1)
    return glue.join(texts)


def _concat(call: Call, frame: Frame, *values: Any) -> str:
    parts = ["" if value is None else to_text(value, call.spot, frame) for value in values]
    room(sum(map(len, parts)))
    return "".join(parts)


def _capitalize(written: str) -> str:
    return written[:1].upper() + written[1:]


def _start_case(written: str) -> str:
    return re.sub(r"\S+", lambda word: word[0][:1].upper() + word[0][1:].lower(), written)


def _words(written: str) -> list[str]:
    return _WORD.findall(written)


def _pascal(written: str) -> str:
    return "".join(word[:1].upper() + word[1:].lower() for word in _words(written))


def _camel(written: str) -> str:
    pascal = _pascal(written)
    return pascal[:1].lower() + pascal[1:]


def _joined(glue: str) -> Callable[[str], str]:
    return lambda written: glue.join(_words(written)).lower()


def _remove_accents(written: str) -> str:
    apart = unicodedata.normalize("NFKD", written.replace("ß", "ss").translate(_LETTERS))
    return "".join(c for c in apart if not unicodedata.combining(c))


#: letters whose stroke or ligature Unicode does not take apart
_LETTERS = str.maketrans(
    {
        "ø": "o",
        "Ø": "O",
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "Đ": "D",
        "æ": "ae",
        "Æ": "AE",
        "œ": "oe",
        "Œ": "OE",
        "\u0131": "i",
    }
)


def _strip_html(_call: Call, frame: Frame, written: str) -> str:
    if "<" not in written and "&" not in written:
        return written
    frame.spend(written.count("<") ** 2 // _TAGS_PER_STEP)
    return html.unescape(nh3.clean(written, tags=set())).replace("\u00a0", " ")


def _not_negative(value: int, argument: int, what: str) -> int:
    if value < 0:
        raise Refused(f"{what} cannot be less than 0", argument)
    return value


def _replace(written: str, old: str, new: str, count: int) -> str:
    if not old:
        raise Refused("the text to look for is empty", 1)
    times = written.count(old) if count < 0 else min(written.count(old), count)
    room(len(written) + times * (len(new) - len(old)))
    return written.replace(old, new, count)


def _split(_call: Call, frame: Frame, written: str, separator: str, count: int) -> list[str]:
    if not separator:
        frame.spend(len(written))
        return list(written) if count < 0 else [*written[:count], *([written[count:]] if written[count:] else [])]
    frame.spend(written.count(separator))
    return written.split(separator, count)


def _substring(written: str, start: int, end: int | None) -> str:
    return written[start:] if end is None else written[start:end]


def _find_first(written: str, search: str, start: int, end: int | None) -> int | None:
    found = written.find(search, max(start, 0), len(written) if end is None else max(end, 0)) if search else -1
    return found if found >= 0 else None


def _find_last(written: str, search: str, start: int, end: int | None) -> int | None:
    found = written.rfind(search, max(start, 0), len(written) if end is None else max(end, 0)) if search else -1
    return found if found >= 0 else None


def _repeat(written: str, times: int) -> str:
    room(len(written) * _not_negative(times, 1, "the number of times"))
    return written * times


def _pad(*, left: bool) -> Callable[[str, int, str], str]:
    def run(written: str, width: int, fill: str) -> str:
        if len(fill) != 1:
            raise Refused("the filling is one character", 2)
        room(_not_negative(width, 1, "the width"))
        return written.rjust(width, fill) if left else written.ljust(width, fill)

    return run


def _char(code: int) -> str:
    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise Refused("there is no character with this number")
    return chr(code)


_CHARACTERS = text("characters", default=None)
_END = integer("end", None)
_MEASURED = Parameter("subject", ("string", "array", "object"))

FUNCTIONS: tuple[Function, ...] = (
    define(
        "length",
        (_MEASURED,),
        "integer",
        "The number of characters, items or keys; 0 for null.",
        len,
        ("length(orders)", {"orders": [{}, {}]}, 2),
        on_null=0,
    ),
    define(
        "byte_length",
        (text(),),
        "integer",
        "The number of bytes of the text in UTF-8; 0 for null.",
        lambda written: len(written.encode("utf-8", "surrogatepass")),
        ("byte_length('zoë')", {}, 4),
        on_null=0,
    ),
    define("upper", (text(),), "string", "In capital letters.", str.upper, ("upper(sku)", {"sku": "ab1"}, "AB1")),
    define("lower", (text(),), "string", "In small letters.", str.lower, ("lower(sku)", {"sku": "AB1"}, "ab1")),
    define(
        "capitalize",
        (text(),),
        "string",
        "With a capital first letter; the others stay.",
        _capitalize,
        ("capitalize('ada lovelace')", {}, "Ada lovelace"),
    ),
    define(
        "start_case",
        (text(),),
        "string",
        "Each word with a capital first letter, the others small.",
        _start_case,
        ("start_case('ada LOVELACE')", {}, "Ada Lovelace"),
    ),
    define(
        "pascal_case",
        (text(),),
        "string",
        "The words of the text, or of a name in code, `LikeThis`.",
        _pascal,
        ("pascal_case('order line-id')", {}, "OrderLineId"),
    ),
    define(
        "camel_case",
        (text(),),
        "string",
        "The words of the text, or of a name in code, `likeThis`.",
        _camel,
        ("camel_case('order line-id')", {}, "orderLineId"),
    ),
    define(
        "snake_case",
        (text(),),
        "string",
        "The words of the text, or of a name in code, `like_this`.",
        _joined("_"),
        ("snake_case('orderLine ID')", {}, "order_line_id"),
    ),
    define(
        "kebab_case",
        (text(),),
        "string",
        "The words of the text, or of a name in code, `like-this`.",
        _joined("-"),
        ("kebab_case('Summer Sale 2026')", {}, "summer-sale-2026"),
    ),
    define(
        "trim",
        (text(), _CHARACTERS),
        "string",
        "Without spaces and line ends, or the characters named, at both ends.",
        str.strip,
        ("trim(name)", {"name": " Ada \n"}, "Ada"),
        ("trim('--a--', '-')", {}, "a"),
    ),
    define(
        "trim_left",
        (text(), _CHARACTERS),
        "string",
        "As `trim`, at the beginning alone.",
        str.lstrip,
        ("trim_left('007', '0')", {}, "7"),
    ),
    define(
        "trim_right",
        (text(), _CHARACTERS),
        "string",
        "As `trim`, at the end alone.",
        str.rstrip,
        ("trim_right('a//', '/')", {}, "a"),
    ),
    define(
        "pad_left",
        (text(), integer("width"), text("fill", " ")),
        "string",
        "Filled up at the beginning until it has so many characters.",
        _pad(left=True),
        ("pad_left('7', 3, '0')", {}, "007"),
    ),
    define(
        "pad_right",
        (text(), integer("width"), text("fill", " ")),
        "string",
        "Filled up at the end until it has so many characters.",
        _pad(left=False),
        ("pad_right('ab', 4, '.')", {}, "ab.."),
    ),
    define(
        "left",
        (text(), integer("count")),
        "string",
        "The first characters.",
        lambda written, count: written[: _not_negative(count, 1, "the count")],
        ("left('GOLD-2026', 4)", {}, "GOLD"),
    ),
    define(
        "right",
        (text(), integer("count")),
        "string",
        "The last characters.",
        lambda written, count: written[max(0, len(written) - _not_negative(count, 1, "the count")) :],
        ("right(card, 4)", {"card": "4242424242421881"}, "1881"),
    ),
    define(
        "substring",
        (text(), integer("start"), _END),
        "string",
        "The characters from `start`, the first being 0, up to but without `end`; negative places count from the end.",
        _substring,
        ("substring('2026-01-02', 5, 7)", {}, "01"),
        ("substring('2026-01-02', -2)", {}, "02"),
    ),
    define(
        "find_first",
        (text(), text("search"), integer("start", 0), _END),
        "integer|null",
        "Where the text stands for the first time, from 0; null where it does not.",
        _find_first,
        ("find_first('ada@example.com', '@')", {}, 3),
        ("find_first('ada', 'x')", {}, None),
    ),
    define(
        "find_last",
        (text(), text("search"), integer("start", 0), _END),
        "integer|null",
        "Where the text stands for the last time, from 0; null where it does not.",
        _find_last,
        ("find_last('a/b/c', '/')", {}, 3),
    ),
    define(
        "starts_with",
        (text(), text("prefix")),
        "boolean",
        "Whether the text begins so.",
        str.startswith,
        ("starts_with(phone, '+1')", {"phone": "+15550100"}, True),
    ),
    define(
        "ends_with",
        (text(), text("suffix")),
        "boolean",
        "Whether the text ends so.",
        str.endswith,
        ("ends_with(email, '@example.com')", {"email": "ada@example.com"}, True),
    ),
    define(
        "replace",
        (text(), text("search"), text("with"), integer("count", -1)),
        "string",
        "With another text in place of each occurrence, or of the first ones. For patterns: `replace_pattern`.",
        _replace,
        ("replace('a-b-c', '-', ' ')", {}, "a b c"),
        ("replace('a-b-c', '-', '', 1)", {}, "ab-c"),
    ),
    define(
        "split",
        (text(), text("separator"), integer("count", -1)),
        "array of strings",
        "The parts between separators; `count` splits at most. An empty separator gives the characters.",
        _split,
        ("split('a,b,c', ',')", {}, ["a", "b", "c"]),
        ("split('a,b,c', ',', 1)", {}, ["a", "b,c"]),
        inner=True,
    ),
    define(
        "join",
        (text("glue"), array("list", "string")),
        "string",
        "The texts of a list in one, with the glue between them.",
        _join,
        ("join(', ', names)", {"names": ["Ada", "Bob"]}, "Ada, Bob"),
    ),
    define(
        "concat",
        (Parameter("value", variadic=True),),
        "string",
        "All values as one text: null is empty, objects and lists are JSON.",
        _concat,
        ("concat(first, ' ', last, ' #', n)", {"first": "Ada", "last": None, "n": 1}, "Ada  #1"),
        inner=True,
    ),
    define(
        "repeat",
        (text(), integer("times")),
        "string",
        "The text so many times.",
        _repeat,
        ("repeat('ab', 3)", {}, "ababab"),
    ),
    define(
        "to_string",
        (anything(),),
        "string",
        "A text as it is; anything else as JSON.",
        lambda call, frame, value: to_text(value, call.spot, frame),
        ("to_string(points)", {"points": 500}, "500"),
        inner=True,
    ),
    define(
        "remove_accents",
        (text(),),
        "string",
        "With plain letters in place of those with accents.",
        _remove_accents,
        ("remove_accents('Łukasz Ångström')", {}, "Lukasz Angstrom"),
    ),
    define(
        "ascii",
        (text(), boolean("remove_accents", default=False)),
        "string",
        "Without all characters that are not ASCII; with `true`, accents are removed before.",
        lambda written, plain: "".join(c for c in (_remove_accents(written) if plain else written) if c.isascii()),
        ("ascii('žluť')", {}, "lu"),
        ("ascii('žluť', true)", {}, "zlut"),
    ),
    define(
        "escape_html",
        (text(),),
        "string",
        "With `&`, `<`, `>` and quotes written so that HTML shows them.",
        html.escape,
        ("escape_html('a < b')", {}, "a &lt; b"),
    ),
    define(
        "unescape_html",
        (text(),),
        "string",
        "With HTML's character references as the characters.",
        html.unescape,
        ("unescape_html('a &lt; b &eacute;')", {}, "a < b é"),
    ),
    define(
        "strip_html",
        (text(),),
        "string",
        "The text of a piece of HTML: without tags, comments, scripts and styles, references as characters.",
        _strip_html,
        ("strip_html('<p>Hi <b>Ada</b> &amp; Bob</p>')", {}, "Hi Ada & Bob"),
        inner=True,
    ),
    define(
        "escape_markdown",
        (text(),),
        "string",
        "With a backslash before what Markdown gives a meaning.",
        lambda written: _MARKDOWN.sub(r"\\\1", written),
        ("escape_markdown('1 * 2')", {}, "1 \\* 2"),
    ),
    define("newline", (), "string", "A line end.", lambda: "\n", ("split(t, newline())", {"t": "a\nb"}, ["a", "b"])),
    define("tab", (), "string", "A tabulator.", lambda: "\t", ("split(t, tab())", {"t": "a\tb"}, ["a", "b"])),
    define(
        "char",
        (integer("code"),),
        "string",
        "The character with this Unicode number, such as 160 for a space that does not break.",
        _char,
        ("char(8364)", {}, "€"),
    ),
)
