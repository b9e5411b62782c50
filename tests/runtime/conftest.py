"""Harnesses over both stores, as the promise tests have them."""

from tests.promises.conftest import new_harness

__all__ = ["new_harness"]
