"""A project folder: where it is, what its settings say, and every mistake in them at its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine import plugins
from engine.plugins import Registry
from engine.runtime.checks import PRESETS, HeaderCheck, HmacCheck, QueryCheck
from engine.runtime.project import Project
from engine.runtime.reader import SecretRef, SettingsError
from engine.runtime.settings import KEYS, Settings
from engine.sdk.apps import App
from engine.sdk.connections import ConnectionType
from engine.sdk.errors import ConfigError, PluginError

SHOP = ConnectionType(
    "shop",
    "Shop",
    {
        "type": "object",
        "properties": {
            "store_id": {"type": "string", "minLength": 2},
            "retries": {"type": "integer"},
            "api_key": {"type": "string", "writeOnly": True},
        },
        "required": ["store_id", "api_key"],
        "additionalProperties": False,
    },
    base_url="https://shop.example.com/{store_id}",
)


def registry() -> Registry:
    made = Registry()
    made.add(App(name="shop", title="Shop", connections=(SHOP,)), "test")
    return made


def settings_of(folder: Path, text: str) -> Settings:
    (folder / "engine.yaml").write_text(text)
    return Project.find(folder).settings


def mistakes(folder: Path, text: str, file: str = "engine.yaml") -> list[tuple[int, int, str]]:
    """Line, column and code of every mistake."""
    (folder / file).write_text(text)
    with pytest.raises(SettingsError) as caught:
        Project.find(folder).connections(registry())
    error = caught.value
    assert file in str(error)
    assert error.render().count("\n") >= len(error.diagnostics)
    return [(d.place.line, d.place.column, d.code) for d in error.diagnostics]


def test_a_connections_file_marks_a_project_too(tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text("")
    assert Project.find(tmp_path / "vip" / "deep" / "a.yaml").root == tmp_path


@pytest.mark.parametrize("file", ["scenarios/a.yaml", "scenarios/vip/scenario.yaml"])
def test_without_either_file_the_project_is_the_folder_that_holds_the_scenarios(tmp_path: Path, file: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text("scenario: a\n")
    assert Project.find(path).root == Project.find(tmp_path).root == tmp_path


def test_a_project_is_found_upwards(tmp_path: Path) -> None:
    (tmp_path / "engine.yaml").write_text("server: {port: 9000}\n")
    folder = tmp_path / "scenarios" / "vip"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text("")
    for start in (tmp_path, folder, folder / "a.yaml"):
        project = Project.find(start)
        assert project.root == tmp_path
        assert project.settings.server.port == 9000
    assert project.data_dir() == tmp_path / ".engine"
    assert project.data_dir(tmp_path / "other") == tmp_path / "other"
    assert project.modules_folder == tmp_path / "modules"


def test_without_a_settings_file_the_folder_itself_is_the_project(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("")
    project = Project.find(tmp_path / "a.yaml")
    assert project.root == tmp_path
    assert project.settings == Settings()
    assert project.connections(registry()) == {}


def test_scenario_files(tmp_path: Path) -> None:
    for name in (
        "engine.yaml",
        "connections.yaml",
        "scenarios/b.yaml",
        "scenarios/a.yml",
        "scenarios/deep/c.yaml",
        "scenarios/deep/c.test.yaml",
        "scenarios/tests/d.yaml",
        "scenarios/.hidden/e.yaml",
        "scenarios/.f.yaml",
        "scenarios/notes.txt",
        "elsewhere/g.yaml",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    project = Project.find(tmp_path)

    def names(*paths: str) -> list[str]:
        return [str(p.relative_to(tmp_path)) for p in project.scenario_files(tmp_path / path for path in paths)]

    inside = ["scenarios/a.yml", "scenarios/b.yaml", "scenarios/deep/c.yaml"]
    assert names() == inside
    assert names("") == ["elsewhere/g.yaml", *inside]
    assert names("scenarios/deep", "scenarios/deep/c.yaml", "scenarios/tests/d.yaml") == [
        "scenarios/deep/c.yaml",
        "scenarios/tests/d.yaml",
    ]
    with pytest.raises(ConfigError, match="no such file"):
        names("nowhere.yaml")


def test_a_hidden_folder_above_the_project_does_not_matter(tmp_path: Path) -> None:
    root = tmp_path / ".work" / "tests"
    root.mkdir(parents=True)
    (root / "a.yaml").write_text("")
    assert Project.find(root).scenario_files() == [root / "a.yaml"]


def test_all_settings(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        """
server: {host: 0.0.0.0, port: 0, public_url: "https://hooks.example.com/x/", admin_port: 0}
limits: {body: 2 MiB, output: 6MB, run: 1GB, accept_rate: 0.5, concurrency: 7}
http: {allow_hosts: [api.example.com, "*.example.org"], timeout: 1.5s, keep_alive: 500ms}
webhooks:
  open: {}
  header: {check: {header: Authorization, prefix: "Bearer ", secret: {env: HOOK}}}
  query: {check: {query: key, secret: {secret: hook.key}}}
  github: {check: {preset: github, secret: {env: HOOK}}}
  slack: {check: {preset: slack, tolerance: 1m, secret: {env: HOOK}}}
  own:
    check:
      secret: {env: HOOK}
      hmac: {header: X-Sign, algorithm: sha512, encoding: base64, timestamp_header: T, tolerance: 10s}
""",
    )
    assert (settings.server.host, settings.server.port, settings.server.admin_port) == ("0.0.0.0", 0, 0)
    assert settings.server.public_url == "https://hooks.example.com/x"
    assert (settings.limits.output, settings.limits.run) == (6_000_000, 1_000_000_000)
    assert (settings.limits.body, settings.limits.accept_rate, settings.limits.concurrency) == (2_097_152, 0.5, 7)
    assert settings.http.allow_hosts == ("api.example.com", "*.example.org")
    assert (settings.http.timeout, settings.http.keep_alive) == (1.5, 0.5)
    hook = SecretRef("env", "HOOK")
    checks = {name: webhook.check for name, webhook in settings.webhooks.items()}
    assert checks["open"] is None
    assert checks["header"] == HeaderCheck("Authorization", hook, "Bearer ")
    assert checks["query"] == QueryCheck("key", SecretRef("secret", "hook.key"))
    assert checks["github"] == HmacCheck(hook, "X-Hub-Signature-256", prefix="sha256=")
    slack = checks["slack"]
    assert isinstance(slack, HmacCheck)
    assert (slack.tolerance, slack.secret) == (60.0, hook)
    assert checks["own"] == HmacCheck(hook, "X-Sign", "sha512", "base64", "", "{timestamp}.{body}", "T", tolerance=10.0)


def test_every_mistake_is_said_at_its_place(tmp_path: Path) -> None:
    assert mistakes(
        tmp_path,
        """sever: {}
server:
  port: 70000
  hosst: x
  public_url: hooks.example.com
limits: {body: lots, accept_rate: 0, concurrency: 1.5}
http: [x]
webhooks:
  Bad Name: {}
  a: {check: {header: X, secret: hunter2}}
  b: {check: {header: X}}
  c: {check: {preset: githup, secret: {env: HOOK}}}
  d: {check: {secret: {env: HOOK}}}
  e: {check: {hmac: {algorithm: md5}, secret: {env: 1X}}}
  f: {check: {query: k, prefix: x, secret: {env: HOOK}}}
  g: {check: {hmac: {header: X, signed: "{timestamp}"}, secret: {env: HOOK}}}
""",
    ) == [
        (1, 1, "unknown-key"),
        (3, 9, "bad-value"),
        (4, 3, "unknown-key"),
        (5, 15, "bad-value"),
        (6, 16, "bad-value"),
        (6, 35, "bad-value"),
        (6, 51, "bad-value"),
        (7, 7, "bad-value"),
        (9, 13, "bad-value"),
        (10, 34, "secret-in-file"),
        (11, 14, "missing-key"),
        (12, 23, "bad-value"),
        (13, 14, "bad-value"),
        (14, 21, "missing-key"),
        (14, 33, "bad-value"),
        (14, 47, "bad-value"),
        (15, 33, "unknown-key"),
        (16, 41, "bad-value"),
    ]


def test_the_api_has_a_listener_of_its_own(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "server: {port: 8081}\n") == [(1, 16, "bad-value")]


def test_a_mistake_says_what_to_write(tmp_path: Path) -> None:
    (tmp_path / "engine.yaml").write_text("server: {hosst: x}\nwebhooks: {a: {check: {header: X, secret: hunter2}}}\n")
    with pytest.raises(SettingsError) as caught:
        Project.find(tmp_path)
    text = caught.value.render()
    assert "did you mean 'host'?" in text
    assert "{env: NAME} or {secret: NAME}" in text


def test_broken_yaml_is_a_settings_error(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "server: {port: 1\n")
    (tmp_path / "engine.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError):
        Project.find(tmp_path)


def test_connections(tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text(
        """
main: {type: shop, store_id: s1, api_key: {secret: shop.key}}
test: {type: shop, store_id: {env: STORE}, api_key: {env: KEY}, base_url: "https://test.example.com/api", retries: 3}
"""
    )
    entries = Project.find(tmp_path).connections(registry())
    assert {name: entry.type for name, entry in entries.items()} == {"main": "shop", "test": "shop"}
    assert entries["main"].fields == {"store_id": "s1", "api_key": SecretRef("secret", "shop.key")}
    assert entries["test"].fields == {
        "store_id": SecretRef("env", "STORE"),
        "api_key": SecretRef("env", "KEY"),
        "base_url": "https://test.example.com/api",
        "retries": 3,
    }


def test_mistakes_in_connections(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        """a: {type: shop, store_id: s1, api_key: hunter2}
b: {type: shap, store_id: s1}
c: {store_id: s1}
d: {type: shop, store_idd: s1, api_key: {env: KEY}}
e: {type: shop, store_id: s, api_key: {env: KEY}}
f: {type: shop, store_id: {secret: x}, api_key: {env: KEY}}
g: {type: shop, store_id: s1, api_key: {env: KEY}, base_url: "https://u:p@example.com"}
h: text
I: {type: shop}
""",
        "connections.yaml",
    )
    assert found == [
        (1, 40, "secret-in-file"),
        (2, 11, "unknown-connection-type"),
        (3, 4, "missing-key"),
        (4, 4, "missing-key"),
        (4, 17, "unknown-key"),
        (5, 27, "bad-value"),
        (6, 27, "bad-value"),
        (7, 62, "bad-value"),
        (8, 4, "bad-value"),
        (9, 4, "bad-value"),
    ]


def test_mistakes_in_connections_are_told_as_those_in_scenarios(tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text("a: {type: shop, store_id: s1, api_key: {env: KEY}, retries: many}\n")
    with pytest.raises(SettingsError) as caught:
        Project.find(tmp_path).connections(registry())
    assert "'retries' of connection 'a': wants a whole number, not the text 'many'" in str(caught.value.diagnostics[0])


def test_the_fields_that_a_connection_knows_are_each_told_once(tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text('a: {type: http, base_url: "https://example.com", colour: red}\n')
    with pytest.raises(SettingsError) as caught:
        Project.find(tmp_path).connections(plugins.load())
    [unknown] = map(str, caught.value.diagnostics)
    assert "type 'http' knows authorize_url, base_url, " in unknown
    assert unknown.count("base_url") == 1


@pytest.mark.parametrize(
    ("limits", "place", "message"),
    [
        ("output: 1KB", "1:18", "limits.output must be at least 65536 bytes"),
        ("run: 1MB", "1:15", "limits.run must be at least limits.output"),
        ("output: 100MB", "1:18", "limits.run must be at least limits.output"),
        ("output: lots", "1:18", "limits.output must be a size such as 5MB"),
    ],
)
def test_sizes_must_leave_room_for_each_other(tmp_path: Path, limits: str, place: str, message: str) -> None:
    (tmp_path / "engine.yaml").write_text(f"limits: {{{limits}}}\n")
    with pytest.raises(SettingsError) as caught:
        Project.find(tmp_path)
    assert f"engine.yaml:{place}: error[bad-value]: {message}" in caught.value.render()


def test_a_secret_in_the_file_is_not_repeated_by_the_message(tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text("a: {type: shop, store_id: s1, api_key: hunter2}\n")
    with pytest.raises(SettingsError) as caught:
        Project.find(tmp_path).connections(registry())
    assert "hunter2" not in str(caught.value)


def test_a_plugin_that_is_not_loaded_takes_no_other_connection_down(tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text(
        "a: {type: broken}\nb: {type: shop, store_id: s1, api_key: {env: KEY}}\n"
    )
    installed = registry()
    installed.problems.append(PluginError("the plugin does not load"))
    assert list(Project.find(tmp_path).connections(installed)) == ["b"]


def test_every_setting_and_preset_is_in_the_reference() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "settings.md").read_text()
    for section, keys in KEYS.items():
        assert re.search(rf"^## `{section}`", page, re.MULTILINE), section
        for key in keys:
            assert f"| `{section}.{key}` |" in page, f"{section}.{key}"
    for preset in PRESETS:
        assert f"| `{preset}` |" in page, preset
    for code in ("unknown-key", "missing-key", "bad-value", "secret-in-file", "unknown-connection-type"):
        assert f"| `{code}` |" in page, code


def test_the_examples_of_the_reference_are_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "settings.md").read_text()
    examples = re.findall(r"```yaml\n# (engine|connections)\.yaml\n(.*?)```", page, re.DOTALL)
    assert {name for name, _ in examples} == {"engine", "connections"}
    for name, text in examples:
        (tmp_path / f"{name}.yaml").write_text(text)
    project = Project.find(tmp_path)
    assert project.settings != Settings()
    assert project.connections(plugins.load())


@pytest.mark.parametrize(
    ("text", "retry", "at_once"),
    [
        ("held: {retry: fusion}", (600.0, 3600.0, 10_800.0, 43_200.0, 86_400.0), 3),
        ("held: {retry: [1m, 10m], at_once: 1}", (60.0, 600.0), 1),
        ("held: {}", (), 3),
    ],
)
def test_the_schedule_of_held_runs(tmp_path: Path, text: str, retry: tuple[float, ...], at_once: int) -> None:
    (tmp_path / "engine.yaml").write_text(text)
    held = Project.find(tmp_path).settings.held
    assert (held.retry, held.at_once) == (retry, at_once)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("held: {retry: fussion}", "did you mean|one of fusion, integrator"),
        ("held: {retry: [soon]}", "must be a duration"),
        ("held: {retry: 5}", "must be a text"),
        ("held: {at_once: 0}", "whole number from 1"),
        ("held: {again: true}", "no key 'again'"),
    ],
)
def test_mistakes_in_the_schedule_of_held_runs(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "engine.yaml").write_text(text)
    with pytest.raises(SettingsError) as info:
        Project.find(tmp_path)
    assert re.search(words, info.value.render())
