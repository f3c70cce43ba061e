"""Version ranges of `[depends]` (DU-20)."""

from __future__ import annotations

import pytest

from slee.api.errors import VerificationError
from slee.api.ids import BundleID
from slee.management.dependencies import resolve

ME = BundleID("me", "v", "1")
CANDIDATES = [BundleID("lib", "v", version) for version in ("1.0", "1.9", "1.10", "2.0rc1", "2.0", "beta")]


@pytest.mark.parametrize(
    ("wanted", "version"),
    [
        (">=1.0", "2.0"),
        (">=1.0,<2", "1.10"),
        ("~=1.0", "1.10"),
        ("<1.9", "1.0"),
        ("==1.9", "1.9"),
        ("1.9", "1.9"),
        (">=1.0,<2.0", "1.10"),
        ("==2.0rc1", "2.0rc1"),
        ("beta", "beta"),
        ("==beta", "beta"),
        ("===beta", "beta"),
        ("!=2.0", "2.0rc1"),
    ],
)
def test_a_range_means_the_highest_version_that_it_admits(wanted: str, version: str) -> None:
    assert resolve({"lib#v": wanted}, CANDIDATES, ME) == (BundleID("lib", "v", version),)


@pytest.mark.parametrize("wanted", [">=3", "gamma", "==gamma", "nonsense >", "==1.0.1"])
def test_a_range_that_no_version_fits_names_those_seen(wanted: str) -> None:
    with pytest.raises(VerificationError, match=r"no version fits, found 1\.0, 1\.10, 1\.9, 2\.0, 2\.0rc1, beta"):
        resolve({"lib#v": wanted}, CANDIDATES, ME)


def test_vendor_is_part_of_the_name_and_all_failures_are_told() -> None:
    with pytest.raises(VerificationError) as error:
        resolve({"lib#w": ">=1", "other#v": ">=1", "lib#v": ">=1"}, CANDIDATES, ME)
    assert len(error.value.issues) == 2
