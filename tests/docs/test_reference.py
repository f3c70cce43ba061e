"""The reference of running and managing names everything that there is: keys, commands, exit statuses, metrics."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from deploy.configuration import ServerConfiguration
from resource_adaptors.http.config import HttpConfiguration
from resource_adaptors.sip.config import SipConfiguration
from resource_adaptors.timer.config import TimerConfiguration
from slee.api.errors import SleeError
from slee.management.failures import EXIT_UNREACHABLE, failure_of
from slee.management.manifest import Manifest
from slee.management.operations import OPERATIONS

PAGE = (Path(__file__).parents[2] / "docs" / "run-and-manage.md").read_text()
SCHEDULES = (Path(__file__).parents[2] / "docs" / "schedules.md").read_text()
METRICS = Path(__file__).parents[2] / "slee" / "management" / "metrics.py"


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key of a document, sections by their keys where they have a model."""
    for name, field in model.model_fields.items():
        key = prefix + (field.alias or name.replace("_", "-"))
        inner = [field.annotation, *typing.get_args(field.annotation)]
        section = next((i for i in inner if isinstance(i, type) and issubclass(i, BaseModel)), None)
        if section is not None and typing.get_origin(field.annotation) is not dict:
            yield from keys(section, key + ".")
        else:
            yield key


HTTP = keys(HttpConfiguration, "http.")


@pytest.mark.parametrize("key", [*keys(ServerConfiguration), *keys(Manifest), *keys(SipConfiguration, "sip."), *HTTP])
def test_every_key_is_documented(key: str) -> None:
    assert f"`{key}`" in PAGE


@pytest.mark.parametrize("name", TimerConfiguration.model_fields)
def test_every_key_of_schedules_is_documented(name: str) -> None:
    assert f"`timer.{name.replace('_', '-')}`" in SCHEDULES


def test_every_metric_of_schedules_is_documented() -> None:
    text = (Path(__file__).parents[2] / "resource_adaptors" / "timer" / "metrics.py").read_text()
    for name in re.findall(r'"(slee_timer_\w+)"', text):
        assert name in SCHEDULES


def test_every_command_is_documented() -> None:
    documented = dict(re.findall(r"^\| `slee (\w+)` \| (.+) \|$", PAGE, re.MULTILINE))
    for operation in OPERATIONS:
        assert f"`{operation.verb.replace('.', ' ')}`" in documented[operation.family]


def test_every_exit_status_is_documented() -> None:
    statuses = {EXIT_UNREACHABLE}
    waiting: list[type[SleeError]] = [SleeError]
    while waiting:
        cls = waiting.pop()
        statuses.add(failure_of(cls).exit)
        waiting.extend(cls.__subclasses__())
    assert statuses == {int(status) for status in re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE)} - {0}


def test_every_metric_is_documented() -> None:
    for name in set(re.findall(r'"(slee_\w+)"', METRICS.read_text())):
        family = re.sub(r"^slee_events_(\w+)$", r"_\1_", name) if name != "slee_events_accepted" else name
        assert family in PAGE, name
