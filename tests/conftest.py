"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

#: ``pytest --hypothesis-profile=long`` tries many more examples
settings.register_profile("long", max_examples=2000)

# what is printed is as wide for everybody, whatever terminal the tests run in
os.environ["COLUMNS"] = "120"
