"""docs/supported.md says what the tests say: it names every test of a rule, and claims no rule that there is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.rules import Rule, Rules, find_tests, read_rules
from tests.conformance.supported import MISSING, PAGE, named_in, outcome, render

RULES = read_rules()


def test_every_rule_that_a_test_names_exists() -> None:
    assert find_tests(RULES).keys() <= RULES.by_id.keys()


def test_the_page_lists_exactly_the_tests_that_there_are() -> None:
    there = set().union(*find_tests(RULES).values())
    listed = named_in(PAGE.read_text(encoding="utf-8"))
    assert listed == there, "tests were added, renamed or removed: run scripts/supported and commit the page"


def test_the_page_lists_every_rule_with_the_words_of_the_list() -> None:
    page = PAGE.read_text(encoding="utf-8")
    lines = {line.rpartition(" | ")[0].split(" | ")[0]: line for line in page.splitlines()}
    for rule in RULES.by_id.values():
        assert lines[f"| {rule.id}"].startswith(f"| {rule.id} | {rule.text} | ")


def test_numbers_of_a_group_have_no_gap() -> None:
    for group in RULES.titles:
        assert [rule.number for rule in RULES.of(group)] == list(range(1, len(RULES.of(group)) + 1))


def test_a_rule_without_a_test_shows_as_missing_and_a_failing_one_as_failing() -> None:
    rules = Rules({"ATT": "Attachment"}, {f"ATT-{n}": Rule("ATT", n, "words") for n in (1, 2, 3)})
    page = render(rules, {"test_att_1_x": "pass", "test_att_1_y": "**FAIL**", "test_att_3_z": "pass"})
    assert "| ATT-1 | words | `test_att_1_x` `test_att_1_y` | **FAIL** |" in page
    assert f"| ATT-2 | words |  | {MISSING} |" in page
    assert "1 of 3 rules in scope pass (33.3 %)" in page


def test_what_is_due_is_not_counted_unless_it_is_tested() -> None:
    later = Rule("ATT", 1, "words", due="issue 5: restart")
    assert outcome(later, {}) == "due with issue 5: restart"
    assert outcome(later, {"test_att_1_x": "pass"}) == "pass"
    partly = Rule("ATT", 1, "words", clause="issue 5: after a restart")
    assert outcome(partly, {}) == MISSING
    assert outcome(partly, {"test_att_1_x": "pass"}) == "pass; due with issue 5: after a restart"


def test_a_reason_for_an_unknown_rule_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[ATT]\ntitle = "t"\n1 = "x"\n[due]\nATT-2 = "issue 5"\n[clause]\n')
    with pytest.raises(ValueError, match="ATT-2"):
        read_rules(path)


def test_scanning_finds_the_tests_of_classes_too(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(
        "def test_att_1_a(): ...\nclass TestIt:\n    def test_att_2_b(self): ...\ndef test_sip_57_c(): ...\n"
        "def test_att_2_and_3_d(): ...\n"
    )
    assert find_tests(RULES, tmp_path) == {
        "ATT-1": {"test_att_1_a"},
        "ATT-2": {"test_att_2_b", "test_att_2_and_3_d"},
        "ATT-3": {"test_att_2_and_3_d"},
    }
