"""What this app takes for true of an API that it knows nothing of."""

from __future__ import annotations

from engine import Assumption

ASSUMPTIONS = (
    Assumption(
        about="what a request is answered",
        assumed="The simulator answers 200 and what it was sent; what the real API answers, only it can tell.",
        changed_by="modules.http.simulator:HttpSimulator",
        settled_by="the documentation of the API that base_url names, or one call to it",
        mark="unknown",
        source="it stands in for any API",
        shown_by=(
            "every request is answered 200 with method, path, query, headers and body as JSON",
            "a body that is not JSON is answered as text",
            "the Authorization and Cookie headers are left out of the answer",
        ),
    ),
)
