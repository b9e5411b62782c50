"""How long it takes to check five hundred scenarios, beside reading them as YAML alone.

    python -m benchmarks.check_many [SCENARIOS] [ROUNDS]

The scenarios are made from the corpus of the tests, right and wrong ones alike. In each copy the steps have ids of
their own, so that no expression that names one is the same as in another file. All are read and checked in one process,
as ``engine check`` does, and each must give what its original gives. The floor is PyYAML's C loader over the same
files, in the same round; both are CPU time of one core.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from engine import plugins
from engine.scenario.keys import RESERVED
from engine.scenario.load import load_scenario

SCENARIOS = 500
ROUNDS = 5
CORPUS = Path(__file__).parents[1] / "tests" / "corpus"
CONNECTIONS = {"yotpo": "yotpo_loyalty", "yotpo-sms": "yotpo_messaging", "orders": "http"}
WEBHOOKS = ("loyalty",)
_ID = re.compile(r"(?:- |\{)id: ([a-z_][a-z0-9_]*)")
_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)


def varied(source: str, number: int) -> str:
    """A copy of a scenario with another name, and other ids for its steps."""
    source = re.sub(r"^scenario: ([a-z0-9-]+)$", rf"scenario: \1-{number}", source, flags=re.MULTILINE)
    for name in dict.fromkeys(_ID.findall(source)):
        if name in RESERVED:
            continue
        other = f"{name}_{number}"
        source = re.sub(rf"((?:- |\{{)id: ){name}\b", rf"\g<1>{other}", source)
        used = re.compile(rf"(?<![.\w'-]){name}(?![\w':-])|(?<=steps\.){name}\b|(?<=approval_link\('){name}(?=')")
        source = _EXPRESSION.sub(lambda found, used=used, other=other: used.sub(other, found[0]), source)
    return source


def sources(count: int) -> list[tuple[str, str]]:
    """So many scenarios, each with the name of the file that it is made from."""
    files = sorted(CORPUS.glob("*/*.yaml"))
    texts = [(path.stem, path.read_text()) for path in files]
    return [(name, varied(text, number)) for number in range(count) for name, text in [texts[number % len(texts)]]]


def codes(source: str, registry: plugins.Registry) -> tuple[str, ...]:
    found = load_scenario(source, "f.yaml", registry, CONNECTIONS, WEBHOOKS, hints=True)[1]
    return tuple(sorted(diagnostic.code for diagnostic in found))


def floor(texts: Sequence[str]) -> None:
    for text in texts:
        try:
            yaml.load(text, Loader=yaml.CSafeLoader)
        except yaml.YAMLError:
            continue


def main(count: int = SCENARIOS, rounds: int = ROUNDS) -> None:
    made = sources(count)
    texts = [text for _, text in made]
    registry = plugins.load()
    originals = {path.stem: codes(path.read_text(), registry) for path in sorted(CORPUS.glob("*/*.yaml"))}
    floors, checks = [], []
    for number in range(rounds):
        texts = [text.replace("scenario_engine", f"scenario_engine_{number}") for text in texts]
        start = time.process_time()
        floor(texts)
        middle = time.process_time()
        found = [codes(text, registry) for text in texts]
        end = time.process_time()
        floors.append(middle - start)
        checks.append(end - middle)
        wrong = [name for (name, _), one in zip(made, found, strict=True) if one != originals[name]]
        if wrong:
            raise SystemExit(f"not what their originals give: {', '.join(dict.fromkeys(wrong))}")
    lines = sum(text.count("\n") for text in texts)
    first, rest = checks[0], checks[1:] or checks
    print(f"{count} scenarios, {lines} lines")
    print(f"YAML alone   {statistics.median(floors):6.2f} s")
    print(f"first check  {first:6.2f} s   {first / floors[0]:5.1f} times YAML alone")
    later = statistics.median(rest)
    print(f"later checks {later:6.2f} s   {later / statistics.median(floors):5.1f} times")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
