"""What the tests of the durable core share: a harness over the shop, and what tests do to runs again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engine.runtime.commands import Choice, resume
from engine.testing import Harness, RunResult
from tests.support.shop import registry, scenario

Double = Callable[[Mapping[str, Any]], Any]


def shop(steps: str, doubles: Mapping[str, Double], **options: Any) -> Harness:
    """A harness that runs these steps (YAML, at the margin)."""
    return Harness([scenario(steps)], doubles=doubles, registry=registry(), **options)


def with_head(head: str, steps: str, doubles: Mapping[str, Double], **options: Any) -> Harness:
    """As ``shop``, with keys of the scenario itself (YAML, at the margin, with its line end)."""
    return Harness([scenario(steps, head=head)], doubles=doubles, registry=registry(), **options)


async def resumed(harness: Harness, run_id: int, choice: Choice, *, advance: float = 0.0, **more: Any) -> RunResult:
    """The run after a person has said how it goes on, and it has come to rest again."""
    await resume(harness.store, run_id, choice, harness.clock.time(), **more)
    harness.runner.wake()
    return await harness.result(run_id, advance=advance)


@contextmanager
def swapped(module: object, name: str, value: Any) -> Iterator[None]:
    """A module, which all tests share and which is frozen, with another attribute for a while."""
    before = getattr(module, name)
    object.__setattr__(module, name, value)
    try:
        yield
    finally:
        object.__setattr__(module, name, before)


class Script:
    """A module double that answers, or fails, as it is told; the last answer stays."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.configs: list[dict[str, Any]] = []

    @property
    def count(self) -> int:
        return len(self.configs)

    def __call__(self, config: Mapping[str, Any]) -> Any:
        self.configs.append(dict(config))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer
