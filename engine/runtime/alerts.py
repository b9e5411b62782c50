"""Telling operators: what a message says, and the outbox from which it is sent until a channel has taken it.

A message is stored together with what it rests on, and sent at least once. Its id is the same in every try. What
happens again before the first try is counted in it; what happens later makes another, which waits until the channel's
``every`` is over. So neither a crash nor a storm costs more than one message too many.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from engine.runtime.alert_settings import EVERY, KINDS, AlertChannel
from engine.runtime.channels import Channels, Message
from engine.scenario.durations import show_duration
from engine.sdk import jsontext
from engine.sdk.clock import Clock, utc
from engine.sdk.errors import EngineError, StoreError
from engine.sdk.faults import NO_FAULTS, Faults
from engine.store.alerts_rows import Alert, RaiseAlert, SettleAlert, TryAlert
from engine.store.changes import Change
from engine.store.ids import show
from engine.store.interface import Store

log = logging.getLogger(__name__)

#: seconds to the second try; each further wait doubles, up to ``LONGEST``
FIRST_WAIT = 10.0
LONGEST = 900.0
#: seconds after its first try at which a message is given up
GIVE_UP_AFTER = 86_400.0
#: messages that are looked at at a time
AT_ONCE = 100
#: seconds after which the outbox is looked at again, whatever the timer says: a clock may jump
LOOK_AGAIN = 60.0

RAISED, RECOVERED = "raised", "recovered"
_WORDS = {"failed": "failed", "held": "waits for a person", "stuck": "made no progress"}
_MANY = {"failed": "failed", "held": "wait for a person", "stuck": "made no progress"}


def excerpt(text: object, most: int = 300) -> str:
    """One line of a text."""
    line = " ".join(str(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def compose(alert: Alert, source: str) -> Message:
    """What an alert says.

    :param source: the project, for whoever watches several.
    """
    detail: Mapping[str, Any] = jsontext.loads(alert.detail)
    about = f"{alert.scenario}: " if alert.scenario else ""
    said = f"{about}{_sentence(alert, detail)}"
    body = {
        "id": show(alert.id),
        "source": source,
        "kind": alert.kind,
        "event": alert.event,
        "scenario": alert.scenario or None,
        "count": alert.times,
        "first_at": utc(alert.first_at).isoformat(),
        "last_at": utc(alert.last_at).isoformat(),
        "text": f"[{source}] {said}",
        "detail": detail,
    }
    return Message(show(alert.id), f"[{source}] {excerpt(said, 120)}", said, alert.last_at, body)


def _sentence(alert: Alert, detail: Mapping[str, Any]) -> str:
    if alert.kind == "test":
        return "this is a test; nothing is wrong"
    if alert.event == RECOVERED:
        return {
            "reload": "the changed files are taken",
            "silence": f"is heard again: {detail.get('count')} in the last {detail.get('within')}",
            "queue_age": "the queue moves again",
            "connection": f"{_named(detail)} authorized again",
            "store": f"the store works again, after {detail.get('lasted')}",
        }.get(alert.kind, "is well again")
    if alert.kind == "silence":
        down = f"; the engine itself did not run for {detail['down']} of that time" if detail.get("down") else ""
        what = "successful runs" if detail.get("of") == "successes" else "runs"
        return f"silence: {detail['count']} {what} in the last {detail['within']}, expected {detail['at_least']}{down}"
    if alert.kind == "queue_age":
        return f"run {detail['run']} waits for its turn for {detail['age']} already (more than {detail['limit']})"
    if alert.kind == "reload":
        return f"changed files are not taken, what was served goes on: {detail.get('message')}"
    if alert.kind == "connection":
        first = (detail.get("connections") or ["NAME"])[0]
        said = f"{_named(detail)} not authorized any more, and runs that need it are held ({detail.get('message')})"
        return f"{said}; `engine connections authorize {first}`"
    if alert.kind == "store":
        return f"the store does not work, nothing is accepted: {detail.get('message')}"
    why = ": ".join(str(part) for part in (detail.get("step"), detail.get("message")) if part)
    last = f"run {detail.get('run')}"
    said = f" ({why})" if why else ""
    command = f"; see `engine runs show {detail.get('run')}`"
    if alert.times == 1:
        return f"{last} {_WORDS[alert.kind]}{said}{command}"
    return f"{alert.times} runs {_MANY[alert.kind]}, the last was {last}{said}{command}"


def _named(detail: Mapping[str, Any]) -> str:
    names = [f"'{name}'" for name in detail.get("connections") or ()]
    return f"connection {names[0]} is" if len(names) == 1 else f"connections {', '.join(names)} are"


class Alerts:
    """Makes alerts, and sends them.

    :param simulated: alerts are kept, and sent to nobody.
    :param source: how the project is named to receivers.
    """

    def __init__(
        self,
        channels: Sequence[AlertChannel],
        sender: Channels,
        store: Store,
        clock: Clock,
        *,
        source: str,
        simulated: bool = False,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self.channels = {channel.name: channel for channel in channels}
        self.source = source
        self._sender = sender
        self._store = store
        self._clock = clock
        self._simulated = simulated
        self._faults = faults
        self._task: asyncio.Task[None] | None = None
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        #: whether something that was due could not be sent for the store's sake, since the last look
        self._failing = False

    # ------------------------------------------------------------------ making

    def wanting(self, kind: str, scenario: str) -> list[AlertChannel]:
        """The channels that are told."""
        assert kind in KINDS
        return [] if self._simulated else [c for c in self.channels.values() if c.wants(kind, scenario)]

    def raised(
        self, kind: str, scenario: str, detail: Mapping[str, Any], *, times: int = 1, event: str = RAISED
    ) -> list[Change]:
        """The changes that tell everybody who wants it, to be stored with what they rest on; then ``wake``."""
        channels = self.wanting(kind, scenario)
        made: list[Change] = [
            RaiseAlert(self.alert(channel.name, kind, scenario, detail, times, event), channel.every)
            for channel in channels
        ]
        if not channels:
            kept = self.alert("", kind, scenario, detail, times, event)._replace(state="kept")
            made.append(RaiseAlert(kept, EVERY))
        return made

    def alert(
        self, channel: str, kind: str, scenario: str, detail: Mapping[str, Any], times: int = 1, event: str = RAISED
    ) -> Alert:
        """A message that is not stored."""
        now = self._clock.time()
        text = jsontext.dumps(dict(detail))
        alert_id = self._store.new_id()
        return Alert(alert_id, channel, kind, event, scenario, self._simulated, times, now, now, text, due_at=now)

    def follow(self, channels: Sequence[AlertChannel]) -> None:
        """Tell these from now on."""
        self.channels = {channel.name: channel for channel in channels}

    def wake(self) -> None:
        """Look at the outbox: something was put there."""
        self._wake.set()

    async def tell(self, channel: AlertChannel, alert: Alert) -> None:
        """Send a message now, past the outbox. Raises ``EngineError``."""
        await self._sender.send(channel, compose(alert, self.source))

    # ------------------------------------------------------------------ the outbox

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="alerts")

    async def stop(self) -> None:
        """Send no more; what is under way is sent again later."""
        tasks = [task for task in (self._task, *self._sending.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None
        self._sending.clear()
        await self._sender.close()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            seconds = LOOK_AGAIN
            try:
                seconds = min(seconds, await self._round())
            except StoreError:
                pass  # whoever works on the runs mends it; what waits in the outbox waits there
            except Exception:
                log.exception("the outbox could not be looked through; it is tried again")
            timer = asyncio.ensure_future(self._clock.sleep(seconds))
            waker = asyncio.ensure_future(self._wake.wait())
            try:
                await asyncio.wait({timer, waker}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
                waker.cancel()

    async def _round(self) -> float:
        """Send what is due, each channel by itself; gives the seconds to the next."""
        now, self._failing = self._clock.time(), False
        far = now + max([LONGEST, *(channel.every for channel in self.channels.values())])
        busy = set(self._sending)
        # again without those that are busy by then: what waits for one of them may be more than is looked at at a time
        while found := await self._store.due_alerts(now, AT_ONCE, busy, far):
            due: dict[str, list[Alert]] = {}
            for alert in found:
                due.setdefault(alert.channel, []).append(alert)
            busy |= due.keys()
            for name, alerts in due.items():
                task = self._sending[name] = asyncio.create_task(self._send_all(name, alerts))
                task.add_done_callback(lambda done, name=name: self._sent(name, done))  # type: ignore[misc]  # mypy sees no default in a lambda
        if self._sending or self._failing:
            return LOOK_AGAIN
        following = await self._store.next_alert()
        return LOOK_AGAIN if following is None else max(0.0, following - now)

    def _sent(self, name: str, task: asyncio.Task[None]) -> None:
        self._sending.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None and isinstance(error, Exception):
            # what is due stays due: to look for it at once would be to do nothing else
            self._failing = True
            if not isinstance(error, StoreError):
                log.error("alerts to '%s' met a mistake of the engine", name, exc_info=error)
            return  # tried again at the next look
        self._wake.set()

    async def _send_all(self, name: str, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            await self._send(name, alert.id)

    async def _send(self, name: str, alert_id: int) -> None:
        await self._store.put(TryAlert(alert_id, self._clock.time()))
        # read after that: what was counted until then is in it, and nothing comes in any more
        alert = await self._store.alert(alert_id)
        if alert is None or alert.state != "waiting":
            return
        self._faults.hit("alert.tried")
        channel = self.channels.get(name)
        if channel is None:
            gone = f"engine.yaml has no channel '{name}' any more"
            await self._store.put(SettleAlert(alert_id, "given-up", self._clock.time(), error=gone))
            return
        try:
            await self.tell(channel, alert)
        except EngineError as error:
            await self._failed(alert, error.message)
        except Exception as error:
            log.exception("the alert to '%s' met a mistake of the engine", name)
            await self._failed(alert, f"{type(error).__name__}: {error}")
        else:
            self._faults.hit("alert.sent")
            await self._store.put(SettleAlert(alert_id, "delivered", self._clock.time()))

    async def _failed(self, alert: Alert, why: str) -> None:
        now, why = self._clock.time(), excerpt(why)
        began = now if alert.tried_at is None else alert.tried_at
        over = now - began >= GIVE_UP_AFTER
        wait = min(FIRST_WAIT * 2.0 ** min(max(alert.attempts - 1, 0), 32), LONGEST)
        state = "given-up" if over else "waiting"
        log.log(
            logging.ERROR if over else logging.WARNING,
            "alert %s did not reach '%s': %s; %s",
            show(alert.id),
            alert.channel,
            why,
            f"given up after {show_duration(GIVE_UP_AFTER)}" if over else f"tried again in {wait:.0f} s",
            extra={"action": "alert_given_up" if over else "alert_failed"},
        )
        await self._store.put(SettleAlert(alert.id, state, now, now + wait, why))
