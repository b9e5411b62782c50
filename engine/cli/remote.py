"""Handing a command to the process that executes the store."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from engine.cli.console import note
from engine.cli.workspace import Workspace
from engine.sdk import jsontext
from engine.sdk.errors import EngineError, StoreLocked, WrongEnvironment
from engine.server.admin import ADMIN_FILE
from engine.store.lock import holder

#: seconds in which a running process answers
PATIENCE = 30.0


class RemoteError(EngineError):
    """The process that executes the store did not answer. What it refuses has the code that it gave."""

    code = "no-answer"

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        # the error keeps the code that it had where it was raised
        self.code = code or type(self).code  # type: ignore[misc]


class NotSimulated(EngineError):
    """``--simulate`` was asked of a process that works in earnest: what it does reaches the vendors."""

    code = "not-simulated"


def hand_over(
    workspace: Workspace,
    path: str,
    body: Mapping[str, Any],
    *,
    quiet: bool = False,
    wait: float = 0.0,
    simulate: bool = False,
) -> Mapping[str, Any] | None:
    """Ask the process that executes the store.

    :param path: such as ``/api/runs/ID/resume``; its parts are escaped.
    :param quiet: do not say who is asked.
    :param wait: seconds that it may take to answer, beyond what is usual.
    :param simulate: only a process that simulates may be asked.
    :returns: its answer; None when no process executes the store, so that the caller acts itself.
    :raises StoreLocked: a process executes the store and takes no commands.
    :raises NotSimulated: it does not simulate; it was not asked.
    :raises RemoteError: it refused, or does not answer.
    """
    owner = holder(workspace.data)
    if owner is None:
        return None
    who = f"process {owner['pid']} ({owner.get('command')})" if owner.get("pid") else "another process"
    try:
        about = json.loads((workspace.data / ADMIN_FILE).read_text("utf-8"))
        address = urllib.parse.urlsplit(about["url"])
        token = about["token"]
        _same_environment(workspace, about)
    except (OSError, ValueError, KeyError):
        raise StoreLocked(
            f"{workspace.data} is executed by {who}, which takes no commands",
            place=str(workspace.data),
            hint="wait until it has ended, or stop it, and give the command again",
        ) from None
    if simulate and not about.get("simulated"):
        raise NotSimulated(
            f"{who} executes {workspace.data} in earnest, so nothing is simulated there",
            place=str(workspace.data),
            hint="leave --simulate out, or name another data folder with --data",
        )
    if not quiet:
        note(f"handed to {who}{', which simulates' if about.get('simulated') else ''}")
    return _ask(address, token, path, body, who, wait)


def simulating(workspace: Workspace) -> bool:
    """Whether the process that takes webhooks for this project now answers from simulators."""
    try:
        return bool(json.loads((workspace.data / ADMIN_FILE).read_text("utf-8")).get("simulated"))
    except (OSError, ValueError):
        return False


def webhooks_served_at(workspace: Workspace) -> str | None:
    """How senders reach the process that takes webhooks for this project now; None: none does."""
    if holder(workspace.data) is None:
        return None
    try:
        url = json.loads((workspace.data / ADMIN_FILE).read_text("utf-8")).get("webhooks")
    except (OSError, ValueError):
        return None
    return url if isinstance(url, str) else None


def health_of(workspace: Workspace) -> Mapping[str, Any] | None:
    """What the process that serves says of itself; None: it serves nobody. Raises ``RemoteError``."""
    try:
        about = json.loads((workspace.data / ADMIN_FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    _same_environment(workspace, about)
    address = urllib.parse.urlsplit(about["url"])
    return _ask(address, about["token"], "/api/health", None, f"process {about.get('pid')}")


def _same_environment(workspace: Workspace, about: Mapping[str, Any]) -> None:
    theirs = about.get("environment") or ""
    if theirs != workspace.environment:
        named = f"environment '{theirs}'" if theirs else "the project without environment"
        raise WrongEnvironment(
            f"{workspace.data} is executed for {named}, and that is not what was asked for",
            place=str(workspace.data),
            hint=f"give {f'--env {theirs}' if theirs else 'no --env'}, or name another data folder with --data",
        )


def _ask(
    address: urllib.parse.SplitResult,
    token: str,
    path: str,
    body: Mapping[str, Any] | None,
    who: str,
    wait: float = 0.0,
) -> Mapping[str, Any]:
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=PATIENCE + wait)
    try:
        connection.request(
            "GET" if body is None else "POST",
            urllib.parse.quote(path) + (f"?wait={wait:g}s" if wait else ""),
            None if body is None else jsontext.dumps(dict(body)),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        data = json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise RemoteError(f"{who} does not answer: {error}", hint="see whether it still runs") from None
    finally:
        connection.close()
    if answer.status not in (200, 202):
        error_ = data.get("error", {})
        raise RemoteError(str(error_.get("message")), code=error_.get("code"), hint=error_.get("hint"))
    found: Mapping[str, Any] = data
    return found
