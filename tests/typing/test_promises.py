"""What the API's types promise, as both type checkers see it.

Files under `positive/` pass mypy and pyright in strict mode; what they promise they say with `assert_type`. Files under
`negative/` are wrong, and say so on each line that must be rejected, with the mypy code and the pyright rule:

    self.count = "one"  # expect: assignment | reportAttributeAccessIssue

Several codes on one side are parted by commas, and `-` says that this checker does not see it. Exactly these errors are
to be found, no more and no fewer. One run of each checker serves all files.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXPECTED = re.compile(r"# expect: *(?P<mypy>[^|]+?) *\| *(?P<pyright>[^|]+?) *$")
NEGATIVE = sorted(path.name for path in (HERE / "negative").glob("*.py"))
POSITIVE = sorted(path.name for path in (HERE / "positive").glob("*.py"))

# folder/file -> "line: code" of every error there
Errors = dict[str, list[str]]

pytestmark = pytest.mark.timeout(120)  # a first run without any cache reads all of the product


def expected(text: str, checker: str) -> list[str]:
    """The errors that a file's comments announce."""
    found = {
        f"{number}: {code.strip()}"
        for number, line in enumerate(text.splitlines(), 1)
        if (match := EXPECTED.search(line))
        for code in match[checker].split(",")
        if code.strip() != "-"
    }
    return sorted(found)


def gathered(errors: list[tuple[Path, int, str]]) -> Errors:
    """Errors by file; those elsewhere in the product are for scripts/check to report."""
    found: Errors = {}
    for path, line, code in errors:
        if path.parent.parent == HERE:
            entries = found.setdefault(f"{path.parent.name}/{path.name}", [])
            if (entry := f"{line}: {code}") not in entries:
                entries.append(entry)
    return {name: sorted(entries) for name, entries in found.items()}


@pytest.fixture(scope="module")
def mypy() -> Errors:
    command = [sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "--output", "json"]
    folders = ["tests/typing/positive", "tests/typing/negative"]
    result = subprocess.run([*command, *folders], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode in {0, 1}, result.stdout + result.stderr
    reports = [json.loads(line) for line in result.stdout.splitlines()]
    return gathered(
        [(ROOT / report["file"], report["line"], report["code"]) for report in reports if report["severity"] == "error"]
    )


@pytest.fixture(scope="module")
def pyright() -> Errors:
    program = shutil.which("pyright", path=str(Path(sys.executable).parent)) or "pyright"
    command = [program, "--outputjson", "--pythonpath", sys.executable, "--project", str(HERE)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode in {0, 1}, result.stdout + result.stderr
    reports = json.loads(result.stdout)
    assert reports["summary"]["filesAnalyzed"] >= len(POSITIVE) + len(NEGATIVE), result.stdout
    return gathered(
        [
            (Path(report["file"]), report["range"]["start"]["line"] + 1, report.get("rule", "syntax"))
            for report in reports["generalDiagnostics"]
            if report["severity"] == "error"
        ]
    )


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
@pytest.mark.parametrize("name", POSITIVE)
def test_promise_is_kept(request: pytest.FixtureRequest, checker: str, name: str) -> None:
    errors: Errors = request.getfixturevalue(checker)
    assert errors.get(f"positive/{name}", []) == []


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
@pytest.mark.parametrize("name", NEGATIVE)
def test_mistake_is_rejected(request: pytest.FixtureRequest, checker: str, name: str) -> None:
    errors: Errors = request.getfixturevalue(checker)
    announced = expected((HERE / "negative" / name).read_text(), checker)
    assert announced, "a negative file announces at least one error"
    assert errors.get(f"negative/{name}", []) == announced


def test_expectations_are_read_from_comments() -> None:
    text = "a = 1\nb = f(2)  # expect: arg-type, misc | reportCallIssue\nc = g()  # expect: - | reportUnknown\n"
    assert expected(text, "mypy") == ["2: arg-type", "2: misc"]
    assert expected(text, "pyright") == ["2: reportCallIssue", "3: reportUnknown"]
