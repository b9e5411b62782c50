"""Files: a million rows in little memory, appended once whoever dies, and no way out of the folder."""

from __future__ import annotations

import io
import multiprocessing
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from engine import DataError
from modules.files import appending
from modules.files.appending import append, replace
from modules.files.connection import Folder
from modules.files.reads import read_csv
from modules.files.rows import Format, Row, rows, start
from modules.files.writes import APPEND_ROWS
from modules.paths import below
from tests.modules.bench import problems
from tests.modules.runs import crash, runs


def read(content: bytes, form: Format | None = None) -> list[Row]:
    file = io.BytesIO(content)
    form = form or Format()
    return list(rows(file, form, start(file, form.encoding), 1))


# ------------------------------------------------------------------ rows


def test_rows_know_their_line_and_where_the_next_begins() -> None:
    content = '\ufeffemail,note\r\nana@example.com,"two\nlines, and ""quotes"""\r\n\r\nbo@example.com,grüße'.encode()
    found = read(content)
    assert [(row.number, list(row.fields), row.problem) for row in found] == [
        (1, ["email", "note"], None),
        (2, ["ana@example.com", 'two\nlines, and "quotes"'], None),
        (5, ["bo@example.com", "grüße"], None),
    ]
    assert found[-1].end == len(content)


def test_a_reader_goes_on_at_any_row() -> None:
    content = b"".join(b'%d,"a\nb"\n' % n for n in range(50))
    whole = read(content)
    for row in whole[:-1]:
        rest = list(rows(io.BytesIO(content), Format(), row.end, row.next))
        assert [r.fields for r in rest] == [r.fields for r in whole[whole.index(row) + 1 :]]
        assert rest[0].number == row.next


def test_bad_rows_are_told_and_stop_no_other() -> None:
    found = read(b'a,b\n1,"x"y\n2,\xff\n3,z\n')
    assert [row.problem is None for row in found] == [True, False, False, True]
    assert found[2].problem == "byte 0xff is no utf-8"
    assert [row.number for row in found] == [1, 2, 3, 4]


def test_a_quote_that_is_never_closed_does_not_eat_the_file() -> None:
    with pytest.raises(DataError, match="begins on line 2 is longer than 1,000,000 bytes"):
        read(b'a\n"open\n' + b"x" * 100 * 20_000)


def test_other_encodings() -> None:
    assert read("a\ngrüße €".encode("windows-1252"), Format(encoding="windows-1252"))[1].fields == ["grüße €"]
    with pytest.raises(DataError, match="UTF-16"):
        read("a,b".encode("utf-16"))


# ------------------------------------------------------------------ reading in a run


def project(tmp_path: Path, **files: str | bytes) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    for name, content in files.items():
        path = root / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "connections.yaml").write_text("data: {type: files, root: data}")
    return tmp_path


def step(module: str, config: Any, **keys: Any) -> str:
    one = {"id": "it", "module": f"files.{module}", "connection": "data", "with": config}
    return yaml.safe_dump([{**one, **keys}], sort_keys=False)


async def outcome(folder: Path, module: str, config: Any) -> Any:
    """The items of a step; or its error's message."""
    steps = step(module, config) + "\n- set: {found: '${{ it }}'}\n- stop: success\n  output: ${{ vars.found }}"
    async with runs("files", steps, project=folder) as engine:
        result = await engine.run({})
        return result.output if result.state == "succeeded" else result.error["message"]


async def test_rows_by_column(tmp_path: Path) -> None:
    folder = project(tmp_path, a__csv="email;points\nana@example.com;12\nbo@example.com;\n")
    assert await outcome(folder, "read_csv", {"path": "a.csv", "delimiter": ";", "empty": "null"}) == [
        {"line": 2, "values": {"email": "ana@example.com", "points": "12"}, "problem": None},
        {"line": 3, "values": {"email": "bo@example.com", "points": None}, "problem": None},
    ]
    found = await outcome(folder, "read_csv", {"path": "a.csv", "delimiter": ";", "columns": ["x", "y"], "limit": 1})
    assert found == [{"line": 1, "values": {"x": "email", "y": "points"}, "problem": None}]
    found = await outcome(folder, "read_csv", {"path": "a.csv", "delimiter": ";", "empty": "omit"})
    assert found[1]["values"] == {"email": "bo@example.com"}


async def test_bad_rows_fail_with_their_line_or_are_given(tmp_path: Path) -> None:
    folder = project(tmp_path, a__csv="email,points\nana@example.com,12\nbo@example.com,1,2\n")
    assert "line 3: 3 fields where 2 columns are" in await outcome(folder, "read_csv", {"path": "a.csv"})
    found = await outcome(folder, "read_csv", {"path": "a.csv", "bad_rows": "give"})
    assert [item["problem"] for item in found] == [None, "3 fields where 2 columns are"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a,a\n1,2\n", "columns without a name of their own: 'a'"),
        ("a,\n1,2\n", "columns without a name of their own: ''"),
    ],
)
async def test_a_header_that_cannot_be_used(tmp_path: Path, content: str, said: str) -> None:
    assert said in await outcome(project(tmp_path, a__csv=content), "read_csv", {"path": "a.csv"})


async def test_json_lines_and_json(tmp_path: Path) -> None:
    folder = project(tmp_path, a__jsonl='{"a": 1}\n\n[2]\n{broken\n', b__json='\ufeff{"n": 12345678901234567890}')
    found = await outcome(folder, "read_json_lines", {"path": "a.jsonl", "bad_rows": "give"})
    assert [(item["line"], item["value"], item["problem"] is None) for item in found] == [
        (1, {"a": 1}, True),
        (3, [2], True),
        (4, None, False),
    ]
    assert "line 4" in await outcome(folder, "read_json_lines", {"path": "a.jsonl"})
    assert await outcome(folder, "read_json", {"path": "b.json"}) == {"n": 12345678901234567890}
    assert "is no JSON" in await outcome(folder, "read_json", {"path": "a.jsonl"})
    assert "no file 'c.json'" in await outcome(folder, "read_json", {"path": "c.json"})


async def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    folder = project(tmp_path, a__csv="n\n" + "".join(f"{n}\n" for n in range(600)))

    class Call:
        config: ClassVar = {"path": "a.csv"}

        def client(self) -> Any:
            return nullcontext(Folder((folder / "data").resolve()))

    page = await read_csv(Call(), None)  # type: ignore[arg-type] # what reading needs of a call
    assert len(page.items) == 500
    assert len((await read_csv(Call(), page.cursor)).items) == 100  # type: ignore[arg-type] # as above
    (folder / "data" / "a.csv").write_text("n\n1\n")
    with pytest.raises(DataError, match="has changed since its line 501 was read"):
        await read_csv(Call(), page.cursor)  # type: ignore[arg-type] # as above


def _read_all(file: str, told: Any) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Path(file).open("rb") as opened:
        last, count = None, 0
        for row in rows(opened, Format(), 0, 1):
            last, count = row, count + 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    told.send((count, last and (last.number, last.fields[1], last.end), grown))


def test_a_million_rows_in_little_memory(tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    with file.open("w") as opened:
        opened.writelines(f"customer{n}@example.com,{n}\n" for n in range(1_000_000))
    fork = multiprocessing.get_context("fork")
    ours, theirs = fork.Pipe()
    worker = fork.Process(target=_read_all, args=(str(file), theirs))
    worker.start()
    count, last, grown = ours.recv()
    worker.join()
    assert (count, last) == (1_000_000, (1_000_000, "999999", file.stat().st_size))
    # kilobytes
    assert grown < 20_000


# ------------------------------------------------------------------ writing in a run


MEMBER = {"path": "out/members.csv", "rows": {"email": "ana@example.com", "points": 12, "note": "=1+1", "vip": True}}


def written(engine: Any, path: str = "out/members.csv") -> str:
    return (engine.simulator.folder / path).read_bytes().decode()


async def test_rows_are_appended_under_one_header_and_the_real_folder_stays_as_it_is(tmp_path: Path) -> None:
    folder = project(tmp_path)
    async with runs("files", step("append_rows", MEMBER), project=folder) as engine:
        results = [await engine.run({}), await engine.run({})]
        assert [result.state for result in results] == ["succeeded", "succeeded"]
        assert written(engine) == "email,points,note,vip\r\n" + "ana@example.com,12,=1+1,true\r\n" * 2
    assert list((folder / "data").iterdir()) == []


async def test_an_overlay_begins_as_the_file_that_it_covers(tmp_path: Path) -> None:
    folder = project(tmp_path, a__csv="note,email\nx,bo@example.com")
    config = {"path": "a.csv", "rows": {"email": "ana@example.com"}, "formulas": "escape"}
    async with runs("files", step("append_rows", config), project=folder) as engine:
        assert (await engine.run({})).state == "succeeded"
        # the columns are the file's, and a last line without its end gets one
        assert written(engine, "a.csv") == "note,email\nx,bo@example.com\n,ana@example.com\r\n"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"path": "a.csv", "rows": {"nobody": 1}}, "has no column for nobody"),
        ({"path": "a.csv", "rows": {"a": 1}, "columns": ["a"]}, "the file has the columns a, b"),
        ({"path": "../a.csv", "rows": {"a": 1}}, "no path below"),
        ({"path": "/tmp/a.csv", "rows": {"a": 1}}, "no path below"),
        ({"path": "..\\a.csv", "rows": {"a": 1}}, "no path below"),
        ({"path": ".engine-files.db", "rows": {"a": 1}}, "its own notes"),
        ({"path": "folder", "rows": {"a": 1}}, "cannot be"),
    ],
)
async def test_what_cannot_be_appended_is_refused(tmp_path: Path, config: Any, said: str) -> None:
    folder = project(tmp_path, a__csv="a,b\n")
    steps = step("append_rows", config)
    if config["path"] == "folder":
        steps = step("write_json", {"path": "folder/x.json", "value": 1}, id="first") + steps
    async with runs("files", steps, project=folder) as engine:
        result = await engine.run({})
        assert (result.state, result.error["refused"]) == ("failed", True)
        assert said in result.error["message"]


async def test_whole_files_are_replaced(tmp_path: Path) -> None:
    rows_ = [{"email": "ana@example.com", "note": "=cmd()"}, {"email": "@bo", "note": "-1", "n": -1}]
    config = {"path": "r.csv", "rows": rows_, "formulas": "escape", "byte_order_mark": True}
    async with runs("files", step("write_rows", config), project=project(tmp_path)) as engine:
        for _ in range(2):
            assert (await engine.run({})).state == "succeeded"
        text = "\ufeffemail,note,n\r\nana@example.com,'=cmd(),\r\n'@bo,'-1,-1\r\n"
        assert written(engine, "r.csv") == text
    async with runs("files", step("write_json", {"path": "s.json", "value": {"ü": [1]}}), project=tmp_path) as engine:
        assert (await engine.run({})).state == "succeeded"
        assert written(engine, "s.json") == '{\n  "ü": [\n    1\n  ]\n}\n'
        assert [p.name for p in engine.simulator.folder.iterdir()] == ["s.json"]


@pytest.mark.parametrize("rows_", ["text", [["a"]], {"a": {"b": 1}}])
def test_rows_are_flat(rows_: Any) -> None:
    assert problems({"path": "a.csv", "rows": rows_}, APPEND_ROWS.config)


# ------------------------------------------------------------------ once


@pytest.mark.parametrize("point", ["effect.intended", "effect.sent", "effect.settled", "run.ending", "run.moved"])
async def test_a_crash_at_any_step_boundary_appends_once(tmp_path: Path, point: str) -> None:
    """Promise 2: the effect's key goes with the bytes, so that who comes again finds them."""
    async with crash("files", step("append_rows", MEMBER), point, project=project(tmp_path)) as (result, simulator):
        assert result.state == "succeeded", result.error
        assert (simulator.folder / "out" / "members.csv").read_text().count("ana@example.com") == 1


def test_the_same_key_appends_once_and_another_key_again(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    told = [append(tmp_path, file, key, lambda: (b"row\n", 1)) for key in ("k1", "k1", "k2", "k1")]
    assert [one.before for one in told] == [False, True, False, True]
    assert file.read_bytes() == b"row\nrow\n"


def test_part_of_a_row_that_a_dying_process_left_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.txt"
    append(tmp_path, file, "k1", lambda: (b"first\n", 1))

    def torn(file: Path, at: int, content: bytes) -> None:
        with file.open("ab") as opened:
            opened.write(content[:4])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(appending, "_write", torn)
        with pytest.raises(KeyboardInterrupt):
            append(tmp_path, file, "k2", lambda: (b"second\n", 1))
    assert file.read_bytes() == b"first\nseco"
    append(tmp_path, file, "k3", lambda: (b"third\n", 1))
    assert append(tmp_path, file, "k2", lambda: (b"second\n", 1)).before is False
    assert file.read_bytes() == b"first\nthird\nsecond\n"


def test_a_note_without_its_bytes_is_written_anew_even_when_others_wrote_there(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    original = appending._write
    try:
        appending._write = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            append(tmp_path, file, "k1", lambda: (b"mine\n", 1))
    finally:
        appending._write = original
    append(tmp_path, file, "k2", lambda: (b"other\n", 1))
    assert append(tmp_path, file, "k1", lambda: (b"mine\n", 1)).before is False
    assert file.read_bytes() == b"other\nmine\n"


def _appender(folder: str, number: int) -> None:
    for n in range(40):
        append(Path(folder), Path(folder) / "a.txt", f"{number}/{n}", lambda: (f"{number}/{n}\n".encode() * 50, 1))  # noqa: B023 - called at once


def test_processes_that_are_killed_again_and_again_leave_each_row_once(tmp_path: Path) -> None:
    """Real processes, real kills: whoever begins anew goes through all its keys again."""
    spawn = multiprocessing.get_context("fork")
    for round_ in range(6):
        workers = [spawn.Process(target=_appender, args=(str(tmp_path), n)) for n in range(2)]
        for worker in workers:
            worker.start()
        if round_ < 5:
            # killed in the middle of whatever they do; the last round comes to its end
            wanted = 20 * 50 * 5 * round_
            while not (file := tmp_path / "a.txt").exists() or file.stat().st_size < wanted:
                if not any(worker.is_alive() for worker in workers):
                    break
                os.sched_yield()
            for worker in workers:
                if worker.is_alive():
                    os.kill(worker.pid or 0, signal.SIGKILL)
        for worker in workers:
            worker.join()
    found = (tmp_path / "a.txt").read_text().splitlines()
    wanted_rows = sorted(f"{number}/{n}" for number in range(2) for n in range(40))
    assert sorted(found) == sorted(row for row in wanted_rows for _ in range(50))


def test_a_replaced_file_is_there_as_a_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    replace(file, b"old")
    file.chmod(0o640)
    monkeypatch.setattr(os, "fsync", lambda _handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        replace(file, b"new and longer")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.json", b"old")]
    monkeypatch.undo()
    replace(file, b"new")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o640)


async def test_a_full_disk_is_unknown_and_the_next_try_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: Iterator[bool] = iter([True, False])
    original = appending._write

    def full(file: Path, at: int, content: bytes) -> None:
        if next(tries):
            file.write_bytes(content[:5])
            raise OSError(28, "No space left on device")
        original(file, at, content)

    monkeypatch.setattr(appending, "_write", full)
    steps = step("append_rows", MEMBER, retry={"attempts": 2, "from": "1s"})
    async with runs("files", steps, project=project(tmp_path)) as engine:
        result = await engine.run({})
        assert result.state == "succeeded", result.error
        assert written(engine) == "email,points,note,vip\r\nana@example.com,12,=1+1,true\r\n"


# ------------------------------------------------------------------ the folder


def test_no_path_leads_out_of_the_folder(tmp_path: Path) -> None:
    root = tmp_path.resolve() / "root"
    (root / "inside").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "inner").symlink_to(root / "inside")
    for path in ("..", "a/../../b", "/etc/passwd", "", "a\x00b", "C:/x", "..\\x", "link", "link/new.csv"):
        with pytest.raises(DataError):
            below(root, path)
    assert below(root, "a/./b.csv") == root / "a" / "b.csv"
    assert below(root, "inner/x.csv") == root / "inner" / "x.csv"


async def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "connections.yaml").write_text("data: {type: files, root: nowhere}")
    async with runs("files", step("read_json", {"path": "a.json"}), project=tmp_path) as engine:
        result = await engine.run({})
        assert "the connection's root is no folder: nowhere" in result.error["message"]


def test_a_file_that_was_replaced_after_an_append_is_not_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    append(tmp_path, file, "one", lambda: (b"a" * 100, 1))
    # shorter than what the last append left, and longer than what stood there before
    replace(file, b"another file\n")
    append(tmp_path, file, "two", lambda: (b"b\n", 1))
    assert file.read_bytes() == b"another file\nb\n"


def test_nor_is_one_that_was_replaced_after_a_process_died(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rows.csv"

    def die(_file: Path, _at: int, _content: bytes) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(appending, "_write", die)
        with pytest.raises(OSError, match="no space"):
            append(tmp_path, file, "one", lambda: (b"a" * 100, 1))
    replace(file, b"another file\n")
    append(tmp_path, file, "two", lambda: (b"b\n", 1))
    assert file.read_bytes() == b"another file\nb\n"


async def test_names_of_columns_from_outside_are_no_formulas_either(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "path": "out.csv",
        "rows": {"=1+1": "=2+2", "note": "\n=3", "wide": "\uff1d4"},
        "formulas": "escape",
    }
    again = {**config, "columns": ["=1+1", "note", "wide"]}
    steps = step("append_rows", config) + step("append_rows", again, id="again")
    async with runs("files", steps, project=project(tmp_path)) as engine:
        result = await engine.run({})
        assert result.state == "succeeded", result.error
        row = "'=2+2,\"'\n=3\",'\uff1d4\r\n"
        assert (engine.simulator.folder / "out.csv").read_bytes().decode() == f"'=1+1,note,wide\r\n{row}{row}"


async def test_no_rows_make_no_line(tmp_path: Path) -> None:
    async with runs("files", step("append_rows", {"path": "out.csv", "rows": []}), project=project(tmp_path)) as engine:
        assert (await engine.run({})).state == "succeeded"
        assert (engine.simulator.folder / "out.csv").read_bytes() == b""
