"""A mail server does not speak HTTP; the standard library's client asks it."""

from tests.modules.refusals import Elsewhere, Nothing, Table

_SMTP = Elsewhere("test_email.py::test_the_simulator_speaks_smtp_to_the_standard_librarys_client")

TABLE = Table(None, {"key": _SMTP, "field": _SMTP, "wrapper": Nothing("a mail has none"), "limit": _SMTP})
