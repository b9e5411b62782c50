"""It stands in for any API, so that it takes everything."""

from tests.modules.refusals import Nothing, Table

_WHY = Nothing("it knows nothing of the API that it stands for: what is sent is answered")
TABLE = Table(None, {"key": _WHY, "field": _WHY, "wrapper": _WHY, "limit": _WHY})
