"""``alerts`` of ``engine.yaml``: what it reads, and each of its mistakes in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.runtime.alert_settings import KINDS, AlertChannel, EmailTarget, WebhookTarget
from engine.runtime.project import Project
from engine.runtime.reader import SecretRef, SettingsError

SECRET = SecretRef("secret", "slack.url")


def read(folder: Path, text: str) -> tuple[AlertChannel, ...]:
    (folder / "engine.yaml").write_text(text)
    return Project.find(folder).settings.alerts


def test_what_it_reads(tmp_path: Path) -> None:
    ops, night = read(
        tmp_path,
        """
alerts:
  - webhook: {secret: slack.url}
    on: [failed, store]
  - name: night
    email: {to: [a@example.com, b@example.com], from: engine@example.com, host: smtp.example.com, tls: tls}
    scenarios: ["order-*"]
    every: 1h
""",
    )
    assert ops == AlertChannel("slack.url", WebhookTarget(SECRET), ("failed", "store"))
    to = ("a@example.com", "b@example.com")
    mail = EmailTarget(to, "engine@example.com", "smtp.example.com", 465, "tls")
    assert night == AlertChannel("night", mail, tuple(KINDS), ("order-*",), 3600.0)


def test_who_wants_what() -> None:
    channel = AlertChannel("a", WebhookTarget("https://hooks.example.com/x"), ("failed", "store"), ("order-*", "vip"))
    assert channel.wants("failed", "order-to-crm")
    assert channel.wants("failed", "vip")
    assert not channel.wants("failed", "vip-2")
    assert not channel.wants("held", "vip")
    assert channel.wants("store", ""), "what is about no scenario is told to all"


WEBHOOK = "https://hooks.example.com/x"
MAIL = "to: [a@example.com], from: e@example.com, host: smtp.example.com"


@pytest.mark.parametrize(
    ("channel", "codes"),
    [
        ("{}", ["missing-key"]),
        (f"{{webhook: '{WEBHOOK}', email: {{{MAIL}}}}}", ["missing-key"]),
        ("just a text", ["bad-value"]),
        ("{webhook: 'ftp://example.com'}", ["bad-value"]),
        (f"{{webhook: '{WEBHOOK}', secret: abc}}", ["secret-in-file"]),
        (f"{{webhook: '{WEBHOOK}', headers: {{Authorization: abc}}}}", ["secret-in-file"]),
        (f"{{webhook: '{WEBHOOK}', headers: {{X-Engine-Alert: abc}}}}", ["bad-value"]),
        (f"{{webhook: '{WEBHOOK}', on: [faild]}}", ["bad-value"]),
        (f"{{webhook: '{WEBHOOK}', every: 15}}", ["bad-value"]),
        (f"{{webhook: '{WEBHOOK}', evry: 15m}}", ["unknown-key"]),
        ("{email: {to: [a@example.com]}}", ["missing-key"]),
        ("{email: {to: [], from: e@example.com, host: smtp.example.com}}", ["bad-value"]),
        ("{email: {to: [nobody], from: e@example.com, host: smtp.example.com}}", ["bad-value"]),
        (f"{{email: {{{MAIL}, tls: ssl}}}}", ["bad-value"]),
        (f"{{email: {{{MAIL}, user: engine}}}}", ["missing-key"]),
        (f"{{email: {{{MAIL}, user: engine, password: abc}}}}", ["secret-in-file"]),
        (f"{{email: {{{MAIL}, tls: none, user: engine, password: {{env: P}}}}}}", ["bad-value"]),
        (f"{{email: {{{MAIL}}}, secret: {{env: P}}}}", ["unknown-key"]),
    ],
)
def test_each_mistake_has_its_code(tmp_path: Path, channel: str, codes: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, f"alerts:\n  - {channel}\n")
    assert sorted({d.code for d in caught.value.diagnostics}) == codes
    assert {d.place.line for d in caught.value.diagnostics} == {2}


def test_two_channels_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="two channels"):
        read(tmp_path, f"alerts:\n  - webhook: {WEBHOOK}\n  - webhook: {WEBHOOK}\n")
