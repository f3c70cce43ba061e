"""What README.md tells a stranger to type exists: scripts, commands with their options, and files.

Its `sh` blocks are read; of them the blocks that write files are executed, and the bundle they describe is built.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from deploy.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
HEREDOC = re.compile(r"<<'(\w+)'\n.*?\n\1$", re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(line) for block in BLOCKS for line in HEREDOC.sub("", block).splitlines() if line]
LINKS = re.findall(r"\]\((?!http)([^)#]+)\)", README)


def missing(words: list[str]) -> str | None:
    """The first word of a `slee` command line that the command line does not know, or None."""
    command: click.Command = main
    context = click.Context(main)
    for word in words:
        if word.startswith("-"):
            if not any(word in parameter.opts for parameter in command.params):
                return word
        elif isinstance(command, click.Group):
            found = command.get_command(context, word)
            if found is None:
                return word
            command = found
    return None if not isinstance(command, click.Group) else "a verb"


def test_readme_has_commands() -> None:
    assert {command[0] for command in COMMANDS} >= {"scripts/run", "slee"}


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0].startswith("scripts/")], ids=" ".join)
def test_script_is_there_and_can_be_run(command: list[str]) -> None:
    script = ROOT / command[0]
    assert script.is_file()
    assert script.stat().st_mode & 0o111


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] == "slee"], ids=" ".join)
def test_command_is_known(command: list[str]) -> None:
    assert missing(command[1:]) is None


def test_unknown_command_is_found() -> None:
    assert missing(["bundle", "destroy"]) == "destroy"
    assert missing(["service", "list", "--colour"]) == "--colour"
    assert missing(["bundle"]) == "a verb"


@pytest.mark.parametrize("link", LINKS)
def test_link_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_file_named_in_a_command_is_there() -> None:
    assert [word for c in COMMANDS for word in c if word.startswith("docs/") and not (ROOT / word).is_file()] == []


def test_bundle_of_the_readme_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in BLOCKS:
        if HEREDOC.search(block):
            subprocess.run(["bash", "-euc", block], cwd=tmp_path, check=True)
    result = CliRunner().invoke(main, ["bundle", "build", "night"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "night-1.0.0-py3-none-any.whl").is_file()
    named = [word for command in COMMANDS for word in command if word.endswith(".whl")]
    assert named == ["night-1.0.0-py3-none-any.whl"]
