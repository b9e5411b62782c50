"""E-mail over SMTP: any mail server that takes mail from an account."""

from __future__ import annotations

from engine import App, hookimpl
from modules.email.assumptions import ASSUMPTIONS
from modules.email.connection import CONNECTION
from modules.email.send import SEND_EMAIL
from modules.email.simulator import MailSimulator


@hookimpl
def engine_apps() -> App:
    return App(
        name="email",
        title="E-mail",
        description="Mail over SMTP, by any server that takes mail from an account.",
        modules=(SEND_EMAIL,),
        connections=(CONNECTION,),
        simulator=MailSimulator,
        assumptions=ASSUMPTIONS,
    )
