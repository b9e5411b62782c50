"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

#: ``pytest --hypothesis-profile=long`` tries many more examples
settings.register_profile("long", max_examples=2000)
