"""Does in a folder what a page tells its reader to do, and compares what is printed."""

from __future__ import annotations

import os
import re
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from tests.docs.pages import Block
from tests.support.clean import Environment

#: seconds after which a command that says nothing has failed
PATIENCE = 60.0
#: the pages' vendor: it fails at the first write, and takes the next
VENDOR = "https://billing.example.com"

_ID = re.compile(r"\b1[0-9a-hjkmnp-tv-z]{12}\b")
_VARYING = (
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?"), "TIME"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
    (re.compile(r"/hooks/[\w-]{32}"), "/hooks/TOKEN"),
    (re.compile(r"\b\d+(\.\d+)? ?m?s\b"), "SECONDS"),
    (re.compile(r"\b(version +)[0-9a-f]{8}\b"), r"\1VERSION"),
    (re.compile(r"\bprocess \d+"), "process N"),
    (re.compile(r"person:\S+|\S+ (?=said ')"), "SOMEBODY "),
    (_ID, "ID"),
    (re.compile(r"-{3,}"), "---"),
    (re.compile(r"\s+"), " "),
)

CURL = """\
import sys, urllib.error, urllib.request
args, url, data, headers = sys.argv[1:], "", None, {}
while args:
    word = args.pop(0)
    if word == "-H":
        key, _, value = args.pop(0).partition(": ")
        headers[key] = value
    elif word == "--data":
        text = args.pop(0)
        data = open(text[1:], "rb").read() if text[0] == "@" else text.encode()
    elif word == "POST":
        data = data or b""
    elif word[0] != "-":
        url = word
try:
    with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
        print(answer.read().decode(), end="")
except urllib.error.HTTPError as error:
    print(error.read().decode(), end="")
"""


def steady(line: str) -> str:
    """A line without what differs from run to run."""
    for pattern, word in _VARYING:
        line = pattern.sub(word, line)
    return line.strip()


def differing(expected: list[str], got: list[str]) -> str | None:
    """The first expected line that was not printed in its place; ``…`` stands for anything."""
    for number, line in enumerate(expected):
        pattern = ".*".join(re.escape(piece) for piece in steady(line).split("…"))
        if number >= len(got) or not re.fullmatch(pattern, steady(got[number])):
            return line
    return None


class _Vendor(BaseHTTPRequestHandler):
    count = 0

    def do_POST(self) -> None:
        type(self).count += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = (500, b'{"error": "internal"}') if self.count == 1 else (201, b'{"invoice": "F-1002"}')
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@dataclass
class Background:
    """A command that goes on."""

    process: subprocess.Popen[bytes]
    rest: bytes = b""
    lines: list[str] = field(default_factory=list)

    def read(self, count: int) -> list[str]:
        """Its next lines that are not empty."""
        assert self.process.stdout is not None
        found: list[str] = []
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while len(found) < count:
                line, newline, rest = self.rest.partition(b"\n")
                if newline:
                    self.rest = rest
                    found += [line.decode()] if line.strip() else []
                    continue
                assert selector.select(PATIENCE), f"it says no more than {found}"
                data = os.read(self.process.stdout.fileno(), 65536)
                assert data, f"it ended; it said {found} {self.rest!r}"
                self.rest += data
        self.lines += found
        return found

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.communicate(timeout=PATIENCE)
        finally:
            self.process.kill()


class Reader:
    """Somebody who follows a page, in an empty folder.

    :param clean: an environment of his own, for a page that installs something.
    """

    def __init__(self, folder: Path, clean: Environment | None = None) -> None:
        self._clean = clean
        self.top = folder / "home"
        self.top.mkdir()
        self.here = self.top
        self.ids: dict[str, str] = {}
        self.backgrounds: list[Background] = []
        self._tokens: dict[str, str] = {}
        self._ports = {port: str(_free_port()) for port in ("8080", "8081", "9000")}
        self._bin = folder / "bin"
        self._bin.mkdir()
        if shutil.which("curl") is None:
            (self._bin / "curl").write_text(f"#!{sys.executable}\n{CURL}")
            (self._bin / "curl").chmod(0o755)
        handler = type("Vendor", (_Vendor,), {})
        self._vendor = HTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._vendor.serve_forever)
        self._thread.start()

    def close(self) -> None:
        for background in reversed(self.backgrounds):
            background.stop()
        self._vendor.shutdown()
        self._thread.join()
        self._vendor.server_close()

    def do(self, block: Block) -> None:
        """What one block asks for."""
        marks = block.marks
        if "file" in marks:
            path = self.here / marks["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self._mine(block.text))
        if "edit" in marks:
            file, _, change = marks["edit"].partition(": ")
            old, _, new = change.partition(" => ")
            path = self.here / file
            assert path.read_text().count(old) == 1, f"{block.place}: '{old}' is not there once"
            path.write_text(path.read_text().replace(old, new))
        if "run" in marks or "fails" in marks:
            self._run(block)
        if "background" in marks:
            [(command, expected)] = _commands(block)
            process = subprocess.Popen(
                shlex.split(self._mine(command)),
                cwd=self.here,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            self.backgrounds.append(Background(process))
            self._compare(block, expected, self.backgrounds[-1].read(len(expected)))
        if "goes on" in marks:
            expected = [line for line in block.text.splitlines() if line.strip()]
            self._compare(block, expected, self.backgrounds[-1].read(len(expected)))

    def _run(self, block: Block) -> None:
        commands = _commands(block)
        for number, (command, expected) in enumerate(commands):
            if command.startswith("cd "):
                self.here = self.here / command[3:]
                continue
            done = subprocess.run(
                ["sh", "-c", self._mine(command)],
                cwd=self.here,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
                check=False,
            )
            got = [line for line in done.stdout.decode().splitlines() if line.strip()]
            self._compare(block, expected, got)
            assert len(got) == len(expected), f"{block.place}: {command} printed more: {got[len(expected) :]}"
            failed = "fails" in block.marks and number == len(commands) - 1
            assert (done.returncode != 0) == failed, f"{block.place}: {command} ended with {done.returncode}: {got}"

    def _compare(self, block: Block, expected: list[str], got: list[str]) -> None:
        got = [line.replace(self._vendor_url, VENDOR) for line in got]
        wrong = differing(expected, got)
        assert wrong is None, f"{block.place}: not printed:\n  {wrong}\nbut:\n  " + "\n  ".join(got)
        for pattern, known in ((_ID, self.ids), (re.compile(r"(?<=/hooks/)[\w-]{32}"), self._tokens)):
            for theirs, mine in zip(expected, got, strict=False):
                known.update(zip(pattern.findall(theirs), pattern.findall(mine), strict=False))

    def _mine(self, text: str) -> str:
        """A text of the page with the ids, tokens, ports and vendor of this run."""
        for theirs, mine in {**self.ids, **self._tokens, **self._ports}.items():
            text = text.replace(theirs, mine)
        return text.replace(VENDOR, self._vendor_url)

    @property
    def _vendor_url(self) -> str:
        return f"http://127.0.0.1:{self._vendor.server_port}"

    def _environment(self) -> dict[str, str]:
        if self._clean is not None:
            return self._clean.variables
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ENGINE_")}
        path = [str(Path(sys.executable).parent), kept.get("PATH", ""), str(self._bin)]
        return {**kept, "PATH": os.pathsep.join(path), "COLUMNS": "120", "PYTHONDONTWRITEBYTECODE": "1"}


def _commands(block: Block) -> list[tuple[str, list[str]]]:
    """Commands and the lines that each prints; ``> `` goes on with the command."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
        elif line.strip():
            assert found, f"{block.place}: the first line is no command"
            found[-1][1].append(line)
    return found


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
