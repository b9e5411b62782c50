"""Channels that write down what they are told, or fail as they are asked to."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.runtime.alert_settings import KINDS, AlertChannel, WebhookTarget
from engine.runtime.channels import Channels, Message
from engine.runtime.secrets import Secrets
from engine.sdk.errors import VendorError
from engine.testing import Harness, VirtualClock

URL = "https://hooks.example.com/x"


def channel(name: str = "ops", *on: str, **more: object) -> AlertChannel:
    return AlertChannel(name, WebhookTarget(URL), on or tuple(KINDS), **more)  # type: ignore[arg-type]  # as the class has them


@dataclass
class Told(Channels):
    """Everything that was sent, by channel."""

    messages: list[tuple[str, Message]] = field(default_factory=list)
    down: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__(Secrets({}), VirtualClock())

    async def send(self, channel: AlertChannel, message: Message) -> None:
        if channel.name in self.down:
            raise VendorError("the channel answered 500", status=500)
        self.messages.append((channel.name, message))

    @property
    def kinds(self) -> list[tuple[str, str, int]]:
        """Kind, event and count of each message."""
        return [(m.body["kind"], m.body["event"], m.body["count"]) for _, m in self.messages]

    @property
    def texts(self) -> list[str]:
        return [message.text for _, message in self.messages]


async def looked(harness: Harness, seconds: float = 0.0) -> None:
    """Let time pass as for a process that serves, look, and let what is due be sent."""
    await harness.written()
    harness.clock.jump(seconds)
    await harness.clock.settle()
    await harness.watch.look()
    await sent(harness)


async def sent(harness: Harness) -> None:
    """Send what is due, once."""
    for alert in await harness.store.due_alerts(harness.clock.time(), 100):
        await harness.alerts._send(alert.channel, alert.id)
