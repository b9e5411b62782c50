"""The YAML language server as an editor has it: files opened in it, and what it says of them."""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any, NamedTuple

from tests.editor.get_server import COMMAND, folder, server

#: seconds after which a server that says nothing has failed
PATIENCE = 60.0
#: where the cursor is, in a text
CURSOR = "‸"
SETTINGS = {"yaml": {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}}


class Told(NamedTuple):
    """Something wrong, and the text that it is told of."""

    line: int
    text: str
    message: str


class Editor:
    """An editor with one folder open.

    :param schemas: globs of files by the schema file that they are held against, as in an editor's settings.
    """

    def __init__(self, root: Path, schemas: dict[str, list[str]] | None = None) -> None:
        if not folder().is_dir():
            raise FileNotFoundError(f"the YAML language server is not there: run `{COMMAND}` (needs the network, once)")
        self._root = root
        self._settings = {**SETTINGS, "yaml": {**SETTINGS["yaml"], "schemas": schemas or {}}}
        self._numbers = itertools.count(1)
        self._inbox: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._process = subprocess.Popen(server(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        folders = [{"uri": root.as_uri(), "name": root.name}]
        capabilities = {
            "workspace": {"configuration": True, "workspaceFolders": True},
            "textDocument": {
                "completion": {"completionItem": {"snippetSupport": True, "documentationFormat": ["markdown"]}},
                "hover": {"contentFormat": ["markdown"]},
            },
        }
        start = {"processId": None, "rootUri": root.as_uri(), "workspaceFolders": folders, "capabilities": capabilities}
        self._ask("initialize", start)
        self._send({"method": "initialized", "params": {}})
        self._send({"method": "workspace/didChangeConfiguration", "params": {"settings": self._settings}})

    def close(self) -> None:
        """Ends the server."""
        self._ask("shutdown", None)
        self._send({"method": "exit"})
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.wait(PATIENCE)
        self._thread.join(PATIENCE)
        self._process.stdin.close()
        self._process.stdout.close()

    def wrong(self, text: str, name: str | None = None) -> list[Told]:
        """What is told of a text when it is opened."""
        uri = self._open(text, name)
        found = self._until(lambda m: m.get("method") == _PUBLISH and m["params"]["uri"] == uri)["params"]
        lines = text.splitlines()
        told = []
        for one in found["diagnostics"]:
            start, end = one["range"]["start"], one["range"]["end"]
            within = end["character"] if end["line"] == start["line"] else None
            line = lines[start["line"]] if start["line"] < len(lines) else ""
            told.append(Told(start["line"] + 1, line[start["character"] : within], one["message"]))
        return told

    def complete(self, text: str, name: str | None = None) -> dict[str, str]:
        """What is offered at the cursor, with what is said of it."""
        items = self._ask("textDocument/completion", self._at(text, name))
        listed = items["items"] if isinstance(items, dict) else items or []
        return {item["label"]: _text(item.get("documentation")) for item in listed}

    def inserted(self, text: str, label: str) -> str:
        """What the completion of this label puts in, as a snippet."""
        items = self._ask("textDocument/completion", self._at(text, None))["items"]
        item = next(item for item in items if item["label"] == label)
        return str(item["textEdit"]["newText"] if "textEdit" in item else item["insertText"])

    def hover(self, text: str, name: str | None = None) -> str:
        """What is shown for the word under the cursor."""
        found = self._ask("textDocument/hover", self._at(text, name))
        return _text(found["contents"]) if found else ""

    def _at(self, text: str, name: str | None) -> dict[str, Any]:
        before = text[: text.index(CURSOR)]
        uri = self._open(text.replace(CURSOR, ""), name)
        position = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
        return {"textDocument": {"uri": uri}, "position": position}

    def _open(self, text: str, name: str | None) -> str:
        number = next(self._numbers)
        uri = (self._root / (name or f"scenarios/file-{number}.yaml")).as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": number, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return uri

    def _ask(self, method: str, params: Any) -> Any:
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": params})
        answer = self._until(lambda m: m.get("id") == number and "method" not in m)
        assert "error" not in answer, answer
        return answer.get("result")

    def _until(self, meant: Any) -> dict[str, Any]:
        while True:
            message = self._inbox.get(timeout=PATIENCE)
            assert message is not None, "the language server has ended"
            if "method" in message and "id" in message:
                self._answer(message)
            if meant(message):
                return message

    def _answer(self, asked: dict[str, Any]) -> None:
        """The server asks for settings; everything else it asks is answered with nothing."""
        result = None
        if asked["method"] == "workspace/configuration":
            result = [self._settings.get(item.get("section", "")) for item in asked["params"]["items"]]
        self._send({"id": asked["id"], "result": result})

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while line := stream.readline():
            length = 0
            while line.strip():
                name, _, value = line.decode().partition(":")
                if name.lower() == "content-length":
                    length = int(value)
                line = stream.readline()
            self._inbox.put(json.loads(stream.read(length)))
        self._inbox.put(None)


_PUBLISH = "textDocument/publishDiagnostics"


def _text(content: Any) -> str:
    return str(content.get("value", "")) if isinstance(content, dict) else str(content or "")
