"""`slee bundle build`: what its user is told when something it looks at is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli import main
from slee.management.store import BundleRecord, Desired, StateDirectory

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("/srv/a.whl", "restore the file from a backup"),
        ("shipped:sbbs/proxy", "run slee bundle build sbbs/proxy --state-dir none, install the wheel, and start"),
    ],
)
def test_du_18_an_installed_archive_that_is_missing_is_told_in_one_line(
    tmp_path: Path, source: str, remedy: str
) -> None:
    store = StateDirectory(tmp_path / "state")
    with store.changing(Desired(bundles=(BundleRecord(source, "00", 1.0),))):
        store.close()
    folder = str(ROOT / "profiles" / "location")
    arguments = ["bundle", "build", folder, "-o", str(tmp_path / "out"), "--state-dir", str(tmp_path / "state")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 5
    assert result.stderr.count("\n") == 1
    assert f"{tmp_path}/state/bundles/00.whl: archive of {source}: No such file or directory [DU-18]; {remedy}" in (
        result.stderr
    )
