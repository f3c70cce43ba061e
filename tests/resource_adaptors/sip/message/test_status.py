"""Status codes (SIP-189, SIP-190)."""

from __future__ import annotations

import pytest

from resource_adaptors.sip.message.status import REASONS, effective_status, reason_phrase

CODES = """
    100 180 181 182 183 199 200 202 204 300 301 302 305 380
    400 401 402 403 404 405 406 407 408 410 412 413 414 415 416 417 420 421 422 423 424 428 429 430 433 436 437 438 439
    440 469 470 480 481 482 483 484 485 486 487 488 489 491 493 494
    500 501 502 503 504 505 513 555 580 600 603 604 606 607 608
"""


def test_sip_189_every_code_has_a_phrase_of_its_own() -> None:
    assert sorted(REASONS) == [int(code) for code in CODES.split()]
    assert all(phrase == phrase.strip() and phrase.isascii() for phrase in REASONS.values())
    assert reason_phrase(486) == "Busy Here"


@pytest.mark.parametrize(
    ("status", "counts_as"),
    [
        (100, 100),
        (199, 199),
        (150, 183),
        (299, 200),
        (202, 202),
        (399, 300),
        (499, 400),
        (409, 400),
        (599, 500),
        (699, 600),
    ],
)
def test_sip_190_an_unknown_code_counts_as_one_of_its_class(status: int, counts_as: int) -> None:
    assert effective_status(status) == counts_as


def test_unknown_codes_have_a_phrase_too() -> None:
    assert reason_phrase(499) == "Request Failure"
