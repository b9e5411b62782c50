"""`else_if`, `route`, `parallel`, `repeat`: what is read of them, and what is wrong with them."""

from __future__ import annotations

import pytest

from engine.scenario.codes import example
from engine.scenario.inside import with_paths
from engine.scenario.load import load_scenario
from engine.scenario.plan import GroupStep, ParallelStep, RepeatStep, RouteStep, Scenario
from tests.language.crm import registry
from tests.language.test_checks import mistakes

SOURCE = """
  - if: ${{ run.attempt == 1 }}
    steps:
      - set: {a: 1}
    else_if:
      - if: ${{ run.attempt == 2 }}
        steps:
          - set: {b: 1}
      - if: ${{ run.attempt == 3 }}
        steps: []
    else:
      - set: {c: 1}
  - route:
      - if: ${{ run.attempt == 1 }}
        name: First attempt
        steps:
          - set: {d: 1}
      - steps:
          - id: one
            set: {e: 1}
    match: all
  - id: router
    route:
      - if: true
        steps: []
    otherwise:
      - set: {f: 1}
  - id: sides
    parallel:
      left:
        - set: {g: 1}
      right:
        - id: other
          set: {h: 1}
  - id: rounds
    repeat: {while: "${{ one.e == index }}", max: 7}
    steps:
      - set: {i: 1}
      - repeat: {times: 3}
        steps:
          - id: inner
            set: {j: 1}
"""


def plan(source: str = SOURCE) -> Scenario:
    scenario, found = load_scenario(example(source), "f.yaml", registry())
    assert scenario is not None, found
    assert found == []
    return scenario


def test_they_are_part_of_the_plan() -> None:
    group, router, first, sides, rounds = plan().steps
    assert isinstance(group, GroupStep)
    assert [one.name for one in group.others] == ["else_if.1", "else_if.2"]
    assert isinstance(router, RouteStep)
    assert ([one.name for one in router.routes], router.every) == (["First attempt", "2"], True)
    assert router.routes[1].condition is None
    assert isinstance(first, RouteStep)
    assert (first.every, len(first.otherwise)) == (False, 1)
    assert isinstance(sides, ParallelStep)
    assert [*sides.branches] == ["left", "right"]
    assert isinstance(rounds, RepeatStep)
    assert (rounds.most, rounds.times, rounds.until, rounds.ids) == (7, None, None, ("inner",))
    inner = rounds.steps[1]
    assert isinstance(inner, RepeatStep)
    assert inner.times is not None
    assert inner.times.evaluate({}) == 3


def test_their_steps_are_named_by_list_and_place() -> None:
    assert [path for path, _ in with_paths(plan().steps)] == [
        *("if@1", "if@1/set@1", "if@1/else_if.1.set@1", "if@1/else.set@1"),
        *("route@2", "route@2/1.set@1", "one"),
        *("router", "router/otherwise.set@1"),
        *("sides", "sides/left.set@1", "other"),
        *("rounds", "rounds[*]/set@1", "rounds[*]/repeat@2", "rounds[*]/repeat@2[*]/inner"),
    ]


USES = "  - set: {y: '${{ a.x }}'}\n"


@pytest.mark.parametrize(
    ("marked", "codes"),
    [
        # where a mistake is, there is a mark
        # else_if
        ("  - {if: true, steps: [], else_if: [{if: true, steps: []}]}\n", []),
        ("  - {steps: [], ¦else_if: [{if: true, steps: []}]}\n", ["step-kind"]),
        ("  - {if: true, steps: [], else_if: ¦{if: true, steps: []}}\n", ["wrong-value"]),
        ("  - {if: true, steps: [], else_if: ¦[]}\n", ["wrong-value"]),
        ("  - {if: true, steps: [], else_if: [¦text]}\n", ["wrong-value"]),
        ("  - {if: true, steps: [], else_if: [¦{steps: []}]}\n", ["missing-key"]),
        ("  - {if: true, steps: [], else_if: [¦{if: true}]}\n", ["missing-key"]),
        ("  - {if: true, steps: [], else_if: [{if: ¦1, steps: []}]}\n", ["expression-wanted"]),
        ("  - {if: true, steps: [], else_if: [¦{if: true, ¦stepps: []}]}\n", ["missing-key", "unknown-key"]),
        ("  - {if: true, steps: [], else_if: [{if: true, steps: ¦{}}]}\n", ["wrong-value"]),
        (
            "  - {if: true, steps: [{id: a, set: {x: 1}}], else_if: [{if: '${{ ¦a.x }}', steps: []}]}\n",
            ["step-not-run"],
        ),
        ("  - {if: false, steps: [], else_if: [{if: true, steps: [{id: a, set: {x: 1}}]}]}\n" + USES, []),
        ("  - {set: {a: 1}, ¦else_if: []}\n", ["unknown-key"]),
        # route
        ("  - {route: [{if: true, steps: []}]}\n", []),
        ("  - {route: ¦{}}\n", ["wrong-value"]),
        ("  - {route: ¦[]}\n", ["wrong-value"]),
        ("  - {route: [¦{steps: []}]}\n", ["missing-key"]),
        ("  - {route: [{steps: []}], match: all}\n", []),
        ("  - {route: [¦{if: true}]}\n", ["missing-key"]),
        ("  - {route: [{if: ¦'${{ 1 + 1 }}', steps: []}]}\n", ["condition-type"]),
        ("  - {route: [{if: true, name: ¦'${{ run.id }}', steps: []}]}\n", ["expression-here"]),
        ("  - {route: [{if: true, name: ¦7, steps: []}]}\n", ["wrong-value"]),
        ("  - {route: [{if: true, name: a, steps: []}, {if: true, name: ¦a, steps: []}]}\n", ["duplicate-id"]),
        ("  - {route: [{if: true, name: '2', steps: []}, ¦{if: true, steps: []}]}\n", ["duplicate-id"]),
        ("  - {route: [{if: true, name: ¦otherwise, steps: []}]}\n", ["duplicate-id"]),
        ("  - {route: [{if: true, steps: [], ¦else: []}]}\n", ["unknown-key"]),
        ("  - {route: [{if: true, steps: []}], match: ¦any}\n", ["wrong-value"]),
        ("  - {route: [{if: true, steps: []}], otherwise: ¦{}}\n", ["wrong-value"]),
        ("  - {route: [{steps: []}], match: all, otherwise: ¦[]}\n", ["wrong-value"]),
        ("  - {route: [{if: true, steps: []}], ¦steps: []}\n", ["step-kind"]),
        ("  - {set: {a: 1}, ¦match: all}\n", ["unknown-key"]),
        # what a route can use of the others
        (
            (
                "  - {route: [{if: true, steps: [{id: a, set: {x: 1}}]}, {if: true, "
                "steps: [{set: {y: '${{ ¦a.x }}'}}]}]}\n"
            ),
            ["step-not-run"],
        ),
        (
            "  - {route: [{if: true, steps: [{id: a, set: {x: 1}}]}, {if: '${{ ¦a.x }}', steps: []}]}\n",
            ["step-not-run"],
        ),
        (
            (
                "  - {route: [{if: true, steps: [{id: a, set: {x: 1}}]}, {if: true, "
                "steps: [{set: {y: '${{ a.x }}'}}]}], match: all}\n"
            ),
            [],
        ),
        (
            "  - {route: [{if: true, steps: [{id: a, set: {x: 1}}]}, {if: '${{ ¦a.x }}', steps: []}], match: all}\n",
            ["step-not-run"],
        ),
        (
            "  - {route: [{if: true, steps: [{id: a, set: {x: 1}}]}], otherwise: [{set: {y: '${{ ¦a.x }}'}}]}\n",
            ["step-not-run"],
        ),
        ("  - {route: [{if: true, steps: [{id: a, set: {x: 1}}]}]}\n" + USES, []),
        (
            "  - {id: r, route: [{if: true, steps: []}]}\n  - set: {y: '${{ length(r) }}', z: '${{ r.¦x }}'}\n",
            ["unknown-field"],
        ),
        # parallel
        ("  - {parallel: {a: [{set: {x: 1}}], b: []}}\n", []),
        ("  - {parallel: ¦[]}\n", ["wrong-value"]),
        ("  - {parallel: ¦{}}\n", ["wrong-value"]),
        ("  - {parallel: {a: ¦{}}}\n", ["wrong-value"]),
        ("  - {parallel: {¦A b: []}}\n", ["bad-id"]),
        ("  - {parallel: {a: [{set: {x: 1}}], b: [{set: {¦x: 1}}]}}\n", ["parallel-variable"]),
        (
            "  - {parallel: {a: [{set: {x: 1}}], b: [{if: true, steps: [], else: [{set: {¦x: 1}}]}]}}\n",
            ["parallel-variable"],
        ),
        ("  - {parallel: {a: [{set: {x: 1}}], b: [{foreach: '${{ [1] }}', steps: [{set: {x: 1}}]}]}}\n", []),
        ("  - {parallel: {a: [{id: a, set: {x: 1}}], b: [{set: {y: '${{ ¦a.x }}'}}]}}\n", ["step-not-run"]),
        ("  - {parallel: {b: [{set: {y: '${{ ¦a.x }}'}}], a: [{id: a, set: {x: 1}}]}}\n", ["step-not-run"]),
        ("  - {parallel: {a: [{set: {y: '${{ ¦a.x }}'}}, {id: a, set: {x: 1}}], b: []}}\n", ["step-not-run"]),
        ("  - {parallel: {a: [{id: a, set: {x: 1}}, {set: {y: '${{ a.x }}'}}], b: []}}\n" + USES, []),
        ("  - {parallel: {a: [{id: a, set: {x: 1}}], b: [{id: ¦a, set: {z: 1}}]}}\n", ["duplicate-id"]),
        ("  - {parallel: {a: [{set: {x: 1}, on_error: rollback}], b: [{set: {y: 1}, undo: [{set: {z: 1}}]}]}}\n", []),
        # repeat
        ("  - {repeat: {times: 3}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n", []),
        ("  - {repeat: {times: '${{ run.attempt }}'}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n", []),
        ("  - {repeat: {until: '${{ a.b > 3 }}', max: 5}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n", []),
        ("  - {repeat: {while: '${{ a.b > index }}', max: 5}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n", []),
        ("  - {repeat: ¦3, steps: [{id: a, set: {b: '${{ index }}'}}]}\n", ["wrong-value"]),
        ("  - {repeat: ¦{}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n", ["repeat-kind"]),
        ("  - {repeat: ¦{¦time: 3}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n", ["repeat-kind", "unknown-key"]),
        (
            "  - {repeat: ¦{times: 3, until: true, max: 3}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n",
            ["repeat-kind"],
        ),
        ("  - {repeat: {times: ¦-1}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n", ["wrong-value"]),
        ("  - {repeat: {times: ¦1.5}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n", ["wrong-value"]),
        ("  - {repeat: {times: ¦'${{ run.id }}'}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n", ["wrong-value"]),
        ("  - {repeat: {times: 3, max: ¦2}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n", ["wrong-value"]),
        ("  - {repeat: ¦{until: true}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n", ["missing-key"]),
        ("  - {repeat: {while: true, max: ¦0}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n", ["wrong-value"]),
        (
            "  - {repeat: {while: true, max: ¦'${{ run.attempt }}'}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n",
            ["wrong-value"],
        ),
        (
            "  - {repeat: {until: '${{ a.¦c }}', max: 5}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n",
            ["unknown-field"],
        ),
        (
            "  - {repeat: {until: ¦'${{ run.id }}', max: 5}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n",
            ["condition-type"],
        ),
        ("  - repeat: ¦{times: 3}\n", ["missing-key"]),
        (
            (
                "  - {repeat: {times: 3}, steps: [{id: a, set: {b: '${{ index }}'}}]}\n  - set: {y: '${{ a.b }}', "
                "z: '${{ ¦index }}'}\n"
            ),
            ["unknown-name"],
        ),
        ("  - {repeat: {times: 1}, steps: [{set: {y: '${{ ¦a.x }}'}}, {id: a, set: {x: 1}}]}\n", ["step-not-run"]),
        ("  - {¦repeat: {times: 1}, foreach: '${{ [1] }}', steps: []}\n", ["step-kind"]),
        (
            (
                "  - {repeat: {times: 2}, steps: [{set: {x: 1}, on_error: rollback}, "
                "{set: {y: 1}, undo: [{set: {z: 1}}]}]}\n"
            ),
            [],
        ),
        ("  - set: {a: 1}\n    finally: [{parallel: {a: [{stop: ¦success}]}}]\n", ["not-here"]),
    ],
)
def test_a_mistake_is_found_in_its_place(marked: str, codes: list[str]) -> None:
    lines = example(marked).split("\n")
    marks: list[str] = []
    for number, line in enumerate(lines, 1):
        *before, _ = line.split("¦")
        marks += [f"{number}:{len(''.join(before[:count])) + 1}" for count in range(1, len(before) + 1)]
    assert mistakes(example(marked.replace("¦", ""))) == list(zip(marks, codes, strict=True))


def test_long_waits_under_a_key_are_told_of_wherever_they_stand() -> None:
    for steps in (
        "  - parallel: {a: [{sleep: 30d}]}\n",
        "  - route: [{if: true, steps: [{sleep: 30d}]}]\n",
        "  - repeat: {times: 1}\n    steps: [{sleep: 30d}]\n",
    ):
        text = (
            f"scenario: s\ntrigger: {{module: crm.watch_orders}}\norder_by: ${{{{ trigger.email }}}}\nsteps:\n{steps}"
        )
        assert [code for _, code in mistakes(text)] == ["key-waits"]
