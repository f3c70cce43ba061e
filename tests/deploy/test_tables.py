"""Tables for people: what they show of a result, and that it can be copied from."""

from __future__ import annotations

import pytest

from deploy.tables import Json, show

BUNDLE: Json = {
    "id": f"BundleID[name={'n' * 120},vendor=test,version=1.0]",
    "source": "a.whl",
    "installed_at": 1_000_000_000.25,
    "components": ["SbbID[name=a,vendor=b,version=c]"],
    "depends": [],
    "digest": "00" * 32,
}


def test_a_list_leaves_out_what_show_tells_and_wraps_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    show([BUNDLE])
    heading, _, row, *rest = capsys.readouterr().out.splitlines()
    assert heading.split() == ["id", "source", "installed", "at", "depends"]
    assert isinstance(BUNDLE, dict)
    assert row.split() == [BUNDLE["id"], "a.whl", "2001-09-09T01:46:40Z", "-"]
    assert rest == []


def test_one_result_is_shown_whole_and_no_line_ends_in_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    show(BUNDLE)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line != line.rstrip()] == []
    assert [line.split()[0] for line in lines if line] == [
        "id",
        "source",
        "installed",
        "components",
        "depends",
        "digest",
    ]
    assert lines[2].split() == ["installed", "at", "2001-09-09T01:46:40Z"]


def test_a_table_in_a_list_is_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    pair: Json = {"old": "One", "new": "Two", "old_trees": 3, "problems": []}
    show([{"id": "3f9c", "pairs": [pair]}])
    assert capsys.readouterr().out.splitlines()[-1].split("   ") == [
        "3f9c", "old One, new Two, old trees 3, problems -",
    ]  # fmt: skip
