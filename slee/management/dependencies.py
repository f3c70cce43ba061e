"""Which installed version a range in `[depends]` means (DU-20)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from slee.api.errors import Issue, VerificationError
from slee.api.ids import BundleID


def resolve(depends: Mapping[str, str], candidates: Collection[BundleID], dependent: BundleID) -> tuple[BundleID, ...]:
    """The highest candidate that each range admits, in the order of `depends`.

    Raises:
        VerificationError: lists each dependency without candidate, or with two that are equal as numbers.
    """
    issues: list[Issue] = []
    chosen: list[BundleID] = []
    for requirement, text in depends.items():
        where = f"{dependent}: depends {requirement!r} {text!r}"
        name, _, vendor = requirement.partition("#")
        named = [candidate for candidate in candidates if (candidate.name, candidate.vendor) == (name, vendor)]
        found = _highest(text, named)
        if len(found) == 1:
            chosen.append(found[0])
        elif found:
            versions = " and ".join(sorted(candidate.version for candidate in found))
            issues.append(Issue(where, "DU-20", f"{versions} are equal as numbers", "require one with ==="))
        else:
            seen = ", ".join(sorted(candidate.version for candidate in named)) or "none"
            issues.append(Issue(where, "DU-20", f"no version fits, found {seen}", "build or install one that fits"))
    if issues:
        raise VerificationError(issues)
    return tuple(chosen)


def _highest(text: str, candidates: Iterable[BundleID]) -> list[BundleID]:
    exact = text.lstrip("=").strip()
    if (same := [candidate for candidate in candidates if candidate.version == exact]) and (
        text.startswith("===") or _number(exact) is None
    ):
        return same
    try:
        admitted = SpecifierSet(text if text[:1] in "=!<>~" else f"=={text}")
    except InvalidSpecifier:
        return []
    fitting = [
        (number, candidate)
        for candidate in candidates
        if (number := _number(candidate.version)) is not None and admitted.contains(number, prereleases=True)
    ]
    top = max((number for number, _ in fitting), default=None)
    return [candidate for number, candidate in fitting if number == top]


def _number(version: str) -> Version | None:
    try:
        return Version(version)
    except InvalidVersion:
        return None
