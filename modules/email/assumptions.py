"""What the e-mail app takes for true of mail servers, and no standard says."""

from __future__ import annotations

from engine import Assumption

ASSUMPTIONS = (
    Assumption(
        about="how many mails a second",
        assumed="A mail server takes ten mails a second from one account.",
        changed_by="requests_per_second",
        settled_by="the pages of whoever runs the mail server",
        mark="unknown",
        source="RFC 5321 knows no such limit; each server has its own",
    ),
    Assumption(
        about="which addresses the simulator refuses",
        assumed="Addresses below the top domain invalid, which nobody can have (RFC 2606), are refused with 550.",
        changed_by="modules.email.simulator:NOBODY",
        settled_by="the real server, which knows its own users",
        mark="inferred",
        source="a server refuses with 550 whom it does not know (RFC 5321, 4.2.3); whom, is its own business",
        shown_by=("an address below the top domain invalid is refused with 550",),
    ),
    Assumption(
        about="largest mail of the simulator",
        assumed="The simulator takes mails of up to 10 MB.",
        changed_by="modules.email.simulator:LARGEST",
        settled_by="SIZE in the real server's answer to EHLO, which the app keeps to",
        mark="inferred",
        source="limits of public mail services, which lie between 10 and 50 MB",
        shown_by=("a mail of more than 10 MB is refused with 552",),
    ),
)
