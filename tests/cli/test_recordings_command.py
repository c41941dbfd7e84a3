"""`fsapp recordings`: what is found, what is removed, and what is left alone whatever it is called."""

from __future__ import annotations

import json
import os
import wave
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fsapp.cli.root import main
from fsapp.core.recording import file_name
from fsapp.rules import load_folder
from fsapp.state.rules import RulesStore

N = "+381601234567"
NOW = datetime.now(UTC).replace(microsecond=0)
STAGE = "renewals/first-call"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "recordings"
    path.mkdir()
    return path


@pytest.fixture
def keep(folder: Path) -> Callable[..., Path]:
    """Puts a recording there: two seconds of silence."""
    def keep(
        days: float, place: str = STAGE, number: str = N, call: str = "u1", call_class: str = "callback",
    ) -> Path:
        path = folder / file_name(NOW - timedelta(days=days), call_class, place, number, call)
        path.parent.mkdir(exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(bytes(32000))
        return path

    return keep


@pytest.fixture
def fsapp(
    redis_server: Any, redis_client: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any,
) -> Callable[..., SimpleNamespace]:
    """Runs `fsapp recordings ...` with the example's rules, whose web leads are kept for 5 days."""
    monkeypatch.setenv("FSAPP_REDIS_URL", redis_server.url)
    monkeypatch.setenv("FSAPP_RECORDINGS", str(folder))
    document = load_folder("conf/rules")
    document["campaign"]["web-leads"]["record_days"] = 5
    RulesStore(redis_client).load(document, "", "", "conf/rules")

    def run(*args: str) -> SimpleNamespace:
        with pytest.raises(SystemExit) as left:
            main(["recordings", *args])
        out, err = capsys.readouterr()
        return SimpleNamespace(status=left.value.code or 0, out=out, faults=err.splitlines())

    return run


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()}


def listed(fsapp: Callable[..., SimpleNamespace], *args: str) -> list[str]:
    done = fsapp("list", "--json", *args)
    assert done.status == 0
    return [one["call"] for one in json.loads(done.out)]


def test_recordings_are_found_by_what_is_known_of_the_call(
    fsapp: Callable[..., SimpleNamespace], keep: Callable[..., Path], folder: Path,
) -> None:
    keep(30, call="old")
    keep(2, call="one")
    keep(1, place="helpdesk", call_class="service", call="two")
    keep(0, place="helpdesk", call_class="service", number="anonymous", call="three")
    (folder / "notes.txt").write_text("no recording")
    assert listed(fsapp) == ["old", "one", "two", "three"]
    for number in (N, "060 123-4567", "00381601234567"):
        assert listed(fsapp, "--number", number) == ["old", "one", "two"]
    assert listed(fsapp, "--number", "anonymous") == ["three"]
    assert listed(fsapp, "--number", "+381609999999") == []
    assert listed(fsapp, "--contact", f"{STAGE}/{N}") == ["old", "one"]
    assert listed(fsapp, "--call", "two") == ["two"]
    assert listed(fsapp, "--place", "helpdesk") == ["two", "three"]
    day = f"{(NOW - timedelta(days=2)).astimezone():%Y-%m-%d}"
    assert listed(fsapp, "--from", day, "--to", day) == ["one"]
    assert listed(fsapp, "--from", (NOW - timedelta(days=1, seconds=1)).isoformat()) == ["two", "three"]
    [one] = json.loads(fsapp("list", "--json", "--call", "one").out)
    assert one == {
        "file": one["file"], "at": (NOW - timedelta(days=2)).isoformat(), "class": "callback", "place": STAGE,
        "number": N, "contact": f"{STAGE}/{N}", "call": "one", "seconds": 2.0, "bytes": 32044,
    }
    assert (folder / one["file"]).exists()
    line = fsapp("list", "--call", "one").out
    assert "callback" in line
    assert f"{N}  0:02  " in line
    assert "there is no such recording" in fsapp("list", "--call", "none").out


def test_what_is_no_sound_yet_is_found_too(
    fsapp: Callable[..., SimpleNamespace], keep: Callable[..., Path],
) -> None:
    keep(0).write_bytes(b"")
    assert json.loads(fsapp("list", "--json").out)[0]["seconds"] is None
    assert f"{N}  -  " in fsapp("list").out


def test_purge_goes_by_the_days_of_each_place(
    fsapp: Callable[..., SimpleNamespace], keep: Callable[..., Path], folder: Path,
) -> None:
    """90 for the centre, 5 for the web leads; a place that is gone has the centre's."""
    gone = {keep(91), keep(6, place="web-leads/new", call_class="new-customer"), keep(90.1, place="no-more")}
    kept = {keep(89), keep(4, place="web-leads/new", call_class="new-customer"), keep(89, place="no-more")}
    gone = {str(path.relative_to(folder)) for path in gone}
    kept = {str(path.relative_to(folder)) for path in kept}
    done = fsapp("purge", "--dry-run", "--json")
    assert set(json.loads(done.out)["removed"]) == gone
    assert files(folder) == gone | kept
    done = fsapp("purge")
    assert (done.status, done.faults) == (0, [])
    assert done.out.splitlines()[-1] == "3 removed (0.1 MB), 3 kept"
    assert files(folder) == kept
    assert len(list(folder.iterdir())) == len({name[:10] for name in kept}), "folders left empty are gone"
    assert fsapp("purge").out == "0 removed (0.0 MB), 3 kept\n"


def test_nothing_but_recordings_is_removed_and_no_link_is_followed(
    fsapp: Callable[..., SimpleNamespace], keep: Callable[..., Path], folder: Path, tmp_path: Path,
) -> None:
    old = keep(200)
    day = old.parent
    outside = tmp_path / "outside"
    outside.mkdir()
    elsewhere = outside / old.name
    elsewhere.write_bytes(b"precious")
    (day / "notes.txt").write_text("precious")
    (day / old.name.replace("u1", "link")).symlink_to(elsewhere)
    (day / old.name.replace("u1", "folder")).mkdir()
    (folder / "2001-01-01").symlink_to(outside)
    (folder / "2001-01-02").write_text("no folder")
    (folder / old.name).write_text("not in a day's folder")
    deeper = folder / "more" / day.name
    deeper.mkdir(parents=True)
    (deeper / old.name).write_text("precious")
    before = files(folder)
    done = fsapp("purge", "--json")
    assert done.status == 0
    found = json.loads(done.out)
    assert found["removed"] == [str(old.relative_to(folder))]
    assert (found["others"], found["folders"]) == (3, [])
    assert files(folder) == before - {str(old.relative_to(folder))}
    assert elsewhere.read_bytes() == b"precious"
    assert listed(fsapp) == []


def test_an_empty_folder_of_today_stays_for_the_switch(
    fsapp: Callable[..., SimpleNamespace], folder: Path,
) -> None:
    today, past = folder / f"{NOW:%Y-%m-%d}", folder / "2020-02-30"
    (folder / "2020-02-28").mkdir()
    today.mkdir()
    past.mkdir()  # no day of any calendar
    assert json.loads(fsapp("purge", "--json").out)["folders"] == ["2020-02-28"]
    assert today.exists()
    assert past.exists()


def test_what_cannot_be_removed_is_a_line(
    fsapp: Callable[..., SimpleNamespace], keep: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = keep(200)
    monkeypatch.setattr(os, "unlink", refuse)
    done = fsapp("purge")
    assert done.status == 1
    assert done.faults == [f"fsapp: {path.relative_to(folder)}: cannot be removed: Permission denied"]
    assert "0 removed" in done.out
    assert path.exists()


def test_without_rules_nothing_is_removed(
    fsapp: Callable[..., SimpleNamespace], keep: Callable[..., Path], redis_client: Any,
) -> None:
    path = keep(5000)
    redis_client.flushall()
    done = fsapp("purge")
    assert (done.status, done.faults) == (1, ["fsapp: no rules are loaded: run `fsapp rules load`"])
    assert path.exists()


def test_a_folder_that_is_not_there(
    fsapp: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    monkeypatch.setenv("FSAPP_RECORDINGS", str(tmp_path / "none"))
    for args in (("list",), ("purge",)):
        done = fsapp(*args)
        assert done.status == 1
        assert "FSAPP_RECORDINGS" in done.faults[0]


@pytest.mark.parametrize(("args", "status", "fault"), [
    (("pause",), 2, "uuid of a call"), (("pause", "u", "--agent", "1001"), 2, "uuid of a call"),
    (("resume", "u"), 1, "no link runs for switch main"), (("pause", "u", "--switch", "two"), 1, "switch two"),
    (("list", "--from", "yesterday"), 2, "is no date"),
])
def test_what_cannot_be_done(
    fsapp: Callable[..., SimpleNamespace], args: tuple[str, ...], status: int, fault: str,
) -> None:
    done = fsapp(*args)
    assert done.status == status
    assert fault in " ".join(done.faults)


def test_the_day_ends_at_its_end(fsapp: Callable[..., SimpleNamespace], keep: Callable[..., Path]) -> None:
    keep(0)
    today = f"{NOW.astimezone():%Y-%m-%d}"
    assert listed(fsapp, "--from", today, "--to", today) == ["u1"]
    assert listed(fsapp, "--to", f"{NOW.astimezone() - timedelta(days=1):%Y-%m-%d}") == []
