"""The commands of docs/provision.md, typed against a server on each kind of database, print what the page says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli import main
from tests.profile_databases import DatabaseUnderTest

pytestmark = pytest.mark.timeout(120)  # two dozen commands and a server
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "provision.md").read_text()
BLOCKS = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PROMPT = re.compile(r"^\$ ", re.MULTILINE)


@pytest.fixture(scope="module")
def folder(module_database: DatabaseUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that the server was started in."""
    folder = tmp_path_factory.mktemp("provision")
    command = [sys.executable, "-m", "deploy.cli", "run", "--set", f"profiles.database={module_database.url}"]
    for option in ("--sip", "--http", "--metrics"):
        command += [option, "127.0.0.1:0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdout is not None
        assert "SLEE running" in server.stdout.readline()
        yield folder
        server.terminate()


def printed_by(command: str) -> str:
    """What a command line prints: commands of `slee` are run in this process, which is quicker."""
    if not command.startswith("slee "):
        return subprocess.run(["bash", "-c", command], text=True, capture_output=True, timeout=10, check=True).stdout
    line, _, rest = command.partition(" | ")
    line, quiet, _ = line.partition(" > /dev/null")
    result = CliRunner().invoke(main, shlex.split(line)[1:])
    printed = result.stdout
    if rest:
        printed = subprocess.run(
            ["bash", "-c", rest], input=printed, text=True, capture_output=True, timeout=10, check=True
        ).stdout
    return result.stderr + ("" if quiet else printed)


def test_the_commands_of_the_page_print_what_it_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    steps = [step for block in BLOCKS for step in PROMPT.split(block)[1:]]
    assert len(steps) > 15
    for step in steps:
        command, printed = step.split("\n", 1)
        if "<<'END'" in command:
            text, _, printed = printed.partition("END\n")
            command = f"{command}\n{text}END"
        assert printed_by(command) == printed, command
