"""Rows of CSV out of bytes, each with the place where the next one begins."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from engine import DataError

#: those that have no byte of another character look like a line end
ENCODINGS = ("utf-8", "iso-8859-1", "iso-8859-15", "windows-1252")
#: bytes of one row; more is a quote that is never closed
MOST = 1_000_000
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_UTF8_MARK = b"\xef\xbb\xbf"

# the field limit is the process's; a row is bounded here
csv.field_size_limit(max(csv.field_size_limit(), MOST))


@dataclass(frozen=True)
class Format:
    """How a file is written down."""

    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Row:
    """One row.

    :param number: of the line on which it begins, from 1.
    :param problem: why it cannot be read; None: it could.
    :param end: the byte after it.
    :param next: the number of the line after it.
    """

    number: int
    fields: Sequence[str]
    problem: str | None
    end: int
    next: int


class _TooLong(Exception):
    """A row is longer than any row is."""


class Lines:
    """The lines of a file from one of its bytes on, and how far they were read."""

    def __init__(self, file: BinaryIO, encoding: str, offset: int, number: int) -> None:
        file.seek(offset)
        self._file = file
        self._encoding = encoding
        #: the byte after the last line
        self.end = offset
        #: the number of the next line
        self.number = number
        #: bytes since the row began
        self.size = 0
        self.undecoded: str | None = None

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(MOST + 1):
            self.size += len(line)
            if self.size > MOST:
                raise _TooLong
            self.end += len(line)
            self.number += 1
            try:
                yield line.decode(self._encoding)
            except UnicodeDecodeError as error:
                # the row is read to its end all the same, so that the next one is found
                self.undecoded = f"byte {error.object[error.start]:#04x} is no {self._encoding}"
                yield line.decode("iso-8859-1")


def start(file: BinaryIO, encoding: str) -> int:
    """Where the text begins: behind a byte order mark. Raises ``DataError`` for a file of another encoding."""
    head = file.read(3)
    if head == _UTF8_MARK and encoding == "utf-8":
        return 3
    if name := _MARKS.get(head[:2]):
        raise DataError(f"the file is {name}", refused=True, hint="save it as UTF-8")
    return 0


def rows(file: BinaryIO, form: Format, offset: int, number: int) -> Iterator[Row]:
    """The rows from an offset on. Empty lines are passed over. Raises ``DataError`` for one that has no end."""
    lines = Lines(file, form.encoding, offset, number)
    reader = _reader(lines, form)
    while True:
        lines.size, lines.undecoded = 0, None
        first = lines.number
        problem: str | None = None
        fields: Sequence[str] = ()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = f"{error}"
            # a reader that met a mistake does not go on where it was
            reader = _reader(lines, form)
        except _TooLong:
            raise DataError(
                f"the row that begins on line {first} is longer than {MOST:,} bytes: is a quote never closed?",
                refused=True,
            ) from None
        if problem is None and not fields:
            continue
        yield Row(first, fields, lines.undecoded or problem, lines.end, lines.number)


def _reader(lines: Lines, form: Format) -> Iterator[list[str]]:
    return csv.reader(lines, delimiter=form.delimiter, quotechar=form.quote, strict=True)
