"""The file of `slee profile import` goes in pieces, behind a bar where a terminal shows one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from deploy.upload import _pieces


def test_standard_input_has_a_bar_too_where_it_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.csv").write_bytes(b"profile_name\n" * 10_000)
    with os.fdopen(os.open(tmp_path / "x.csv", os.O_RDONLY), "rb") as nameless:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        assert sum(len(piece) for piece in _pieces(nameless)) == 130_000
    assert "importing" in capsys.readouterr().err
