"""Projects that are served."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.site import Site


@pytest.fixture
def new_site(tmp_path: Path) -> Callable[..., Site]:
    return lambda **options: Site(tmp_path, **options)


@pytest.fixture
async def site(new_site: Callable[..., Any]) -> AsyncIterator[Site]:
    """One scenario, listening."""
    async with new_site() as site:
        yield site
