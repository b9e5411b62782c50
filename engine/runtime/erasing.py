"""Erasing a subject, receipt by receipt, beside the work. It may be cut off anywhere, and begun again."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.runtime.commands import cancel as cancel_run
from engine.runtime.states import FINAL
from engine.sdk.errors import EngineError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.store.data import DropData
from engine.store.erase import MARK, About, Erase, OfReceipt, RunsOfReceipt, theirs
from engine.store.ids import show
from engine.store.interface import Store

#: receipts that are looked at in one part
PART = 200
#: file of the data folder with the key of the tokens: without it nobody can try which subject gives which token
KEY_FILE = "erased.key"
_KEY_BYTES = 32
_TOKEN_BYTES = 8
_FINAL = tuple(sorted(FINAL))


class EraseRefused(EngineError):
    """A subject cannot be erased yet: runs that have not ended still need what would go."""

    code = "erase-refused"


@dataclass(slots=True)
class Part:
    """What a part of erasing blanked.

    :param unfinished: runs that keep a receipt from being blanked.
    :param more: whether to go on.
    """

    receipts: int = 0
    runs: int = 0
    unfinished: list[int] = field(default_factory=list)
    more: bool = False


def token(data: Path, subject: str) -> str:
    """What takes the place of a subject: always the same for the same one, and nothing that tells who it was.

    :param data: the data folder, which keeps the key.
    """
    path = data / KEY_FILE
    with suppress(FileExistsError):
        draft = path.with_suffix(f".{secrets.token_hex(8)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            # in one step: of two processes one wins
            os.link(draft, path)
        finally:
            draft.unlink()
    digest = hashlib.blake2b(subject.encode(), key=path.read_bytes(), digest_size=_TOKEN_BYTES)
    return MARK + digest.hexdigest()


async def look(store: Store, subject: str) -> Part:
    """What is about a subject, as far as one part goes, and which runs of it have not ended."""
    part = Part()
    receipts, left = await store.ask(About(subject, PART))
    for receipt_id in receipts:
        runs = await store.ask(RunsOfReceipt(receipt_id))
        part.receipts += 1
        part.runs += sum(theirs(run, subject) for run in runs)
        part.unfinished += [run.run_id for run in _open(runs)]
    part.more = max(len(receipts), len(left)) == PART
    return part


async def erase(
    store: Store,
    subject: str,
    instead: str,
    now: float,
    *,
    cancel: bool = False,
    by: str = "",
    faults: Faults = NO_FAULTS,
) -> Part:
    """Blank a part of what is about a subject.

    :param instead: what takes its place.
    :param cancel: end the runs about it that have not ended; without it they are in the way.
    :raises EraseRefused: a run has not ended that still needs what would go. Nothing of this part is blanked.
    :raises CommandRefused: a run cannot be cancelled now.
    """
    part = Part()
    receipts, left = await store.ask(About(subject, PART))
    for receipt_id in receipts:
        for run in _open(await store.ask(RunsOfReceipt(receipt_id))):
            if not cancel:
                part.unfinished.append(run.run_id)
            elif theirs(run, subject):
                await cancel_run(store, run.run_id, now, reason="the subject is erased", by=by)
            else:
                raise EraseRefused(
                    f"run {show(run.run_id)} is {run.state}; it is about somebody else, and came by the same request",
                    hint="let it end, then erase again",
                )
    if part.unfinished:
        named = ", ".join(show(run_id) for run_id in part.unfinished[:5])
        more = len(part.unfinished) - 5
        raise EraseRefused(
            f"these runs have not ended: {named}{f' and {more} more' if more > 0 else ''}",
            hint="let them end, or end them with --cancel",
        )
    steps = [Erase(subject=subject, token=instead, final=_FINAL, receipt=receipt_id) for receipt_id in receipts]
    steps += [Erase(subject=subject, token=instead, final=_FINAL, left=run_id) for run_id in left]
    for step in steps:
        faults.hit("erase.step")
        await store.put(step)
        part.receipts += step.report.receipts
        part.runs += step.report.runs
    # what stands under their name in the data stores
    await store.put(DropData(subject))
    # a part that blanked nothing although there was something: a run of it has begun meanwhile
    part.more = bool(steps)
    return part


def _open(runs: Sequence[OfReceipt]) -> list[OfReceipt]:
    return [run for run in runs if run.state not in FINAL]
