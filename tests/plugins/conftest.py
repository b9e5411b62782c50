"""The clean environment that these tests share, and plugins to put beside it."""

from __future__ import annotations

import pytest

from tests.support.clean import Environment, shared


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return shared(tmp_path_factory.getbasetemp())
