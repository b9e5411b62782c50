"""What a scenario has to know of those that it calls."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.scenario.inputs import Inputs
from engine.scenario.plan import Scenario
from engine.scenario.types import UNKNOWN
from engine.sdk.modules import Schema


@dataclass(frozen=True, slots=True)
class Callee:
    """A scenario of the project, as those see it that call it.

    :param known: False: its file has mistakes, so that only its name is known.
    :param startable: whether it may be started by anything but its trigger.
    :param gives: schema of what its runs give.
    """

    name: str
    known: bool = True
    active: bool = True
    startable: bool = True
    inputs: Inputs = field(default_factory=Inputs)
    gives: Schema = field(default_factory=lambda: UNKNOWN)

    @classmethod
    def of(cls, plan: Scenario) -> Callee:
        startable = plan.trigger is None or bool(plan.inputs.fields)
        return cls(plan.name, active=plan.active, startable=startable, inputs=plan.inputs, gives=plan.gives)
