"""A prompt for expressions on a terminal: completion over the data that is there, history, several lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.output import Output

from engine.cli.expressions import offers, unfinished
from engine.runtime.redact import Redactor


class Names(Completer):
    """Completes fields, functions and commands.

    :param names: what the expressions see; shown redacted.
    :param commands: words that are no expressions, and what they do.
    """

    def __init__(self, names: Mapping[str, Any], commands: Mapping[str, str], redactor: Redactor) -> None:
        self._names: Mapping[str, Any] = redactor.json(dict(names))
        self._commands = commands

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        before = document.text_before_cursor
        for word, meaning in self._commands.items():
            if before and word.startswith(before):
                yield Completion(word, -len(before), display_meta=meaning)
        if before.startswith(":"):
            # no expression begins so
            return
        for offer in offers(before, self._names):
            yield Completion(offer.text, -offer.begun, display_meta=offer.meta)


class Prompt:
    """Asks for one line after another.

    :param history: a file; None: what was typed is forgotten.
    """

    def __init__(self, history: Path | None = None, *, source: Input | None = None, sink: Output | None = None) -> None:
        kept: History = InMemoryHistory()
        if history is not None and history.parent.is_dir():
            history.touch(0o600)
            kept = FileHistory(str(history))
        self._session: PromptSession[str] = PromptSession(
            history=kept,
            multiline=Condition(lambda: unfinished(get_app().current_buffer.text)),
            complete_while_typing=True,
            input=source,
            output=sink,
        )

    async def ask(
        self, message: str, names: Mapping[str, Any], commands: Mapping[str, str], redactor: Redactor
    ) -> str | None:
        """What was typed; None at the end of input, or where it was cut off."""
        try:
            text = await self._session.prompt_async(
                ANSI(message), completer=Names(names, commands, redactor), handle_sigint=False
            )
        except (EOFError, KeyboardInterrupt):
            return None
        return text.strip()


def helped(commands: Mapping[str, str]) -> str:
    """What can be typed."""
    column = max(len(word) for word in commands)
    lines = [f"  {word:<{column}}  {meaning}" for word, meaning in commands.items()]
    return "\n".join(["anything else is an expression; Tab completes, Enter ends it, open brackets go on", *lines])
