"""TOML documents checked against a pydantic model, with every problem told by file, line and key.

Manifests, locks and the server's configuration are read through here, so that a typing error is shown the same way
wherever it stands.
"""

from __future__ import annotations

import ast
import re
import tomllib
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from slee.api.errors import Issue, SleeError

M = TypeVar("M", bound=BaseModel)
Path = tuple[str | int, ...]

_HEADER: Final = re.compile(r"^\s*(\[\[?)\s*(.+?)\s*(\]\]?)\s*(#.*)?$")
_KEY: Final = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')(?:\s*\.\s*[^\s=]+)*)\s*=(.*)$""")
_PART: Final = re.compile(r"""\s*([A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')\s*\.?""")
_OURS: Final = re.compile(
    r"(?P<problem>(?:(?! \[[A-Z]+-\d+\]).)*?)(?: \[(?P<rule>[A-Z]+-\d+)\])?(?:; (?P<remedy>[^;]*))?", re.DOTALL
)
_AT_LINE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")

_KEYS: Final = re.compile(
    r"""\((?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?:, ?(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"))*,?\)"""
)
"""A key as a tuple of Python, which the parser's messages show."""


class Section(BaseModel):
    """A table of a document: immutable, keys spelt with hyphens, unknown keys refused (DU-9)."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.replace("_", "-"),
        validate_by_name=False,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """What a document is called, and how its problems are raised."""

    rule: str
    error: type[SleeError]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the keys of a table stand in a document, for messages."""

    source: str
    """Name of the file; empty for what was not read from one."""
    lines: Mapping[Path, int] = field(default_factory=dict[Path, int])
    table: Path = ()
    """The table that paths begin in."""

    def of(self, path: Path, unknown: Path = ()) -> str:
        """File, line and key of a path, whose keys may be spelt as fields of a model, and of unknown keys below it."""
        whole = self.table
        for part in path:
            is_written = isinstance(part, int) or (*whole, part) in self.lines
            whole = (*whole, part if is_written else str(part).replace("_", "-"))
        whole = (*whole, *unknown)
        key = ".".join(map(str, whole)) or "document"
        return f"{self.source}:{line_of(whole, self.lines)}: {key}" if self.source else key


def parse(text: str, source: str, kind: DocumentKind) -> dict[str, Any]:
    """Parse TOML; the error names file and line."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, problem = told_line(error, text)
        issue = Issue(f"{source}:{line}", kind.rule, f"it is no TOML: {problem}", "mend the line")
        raise kind.error(str(issue)) from error


def told_line(error: tomllib.TOMLDecodeError, text: str) -> tuple[int, str]:
    """The line at which a text is no TOML, and why it is none."""
    message = str(error)
    found = _AT_LINE.search(message)
    problem = _KEYS.sub(lambda keys: ".".join(ast.literal_eval(keys[0])), _AT_LINE.sub("", message))
    return int(found[1]) if found and found[1] else text.count("\n") + 1, problem


def check(model: type[M], data: dict[str, Any], text: str, source: str, kind: DocumentKind) -> M:
    """Check parsed TOML against a model.

    Args:
        model: the model of the whole document.
        data: what `parse` returned for `text`, perhaps with overriding values put in.
        text: the document as written, to find lines in.
        source: name of the file, for messages.
        kind: rule and error class of the messages.

    Raises:
        SleeError: of the kind's class; lists every problem, each with file, line and key.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        issues = issues_of(error, model, Places(source, dict(key_lines(text))), kind.rule)
        raise kind.error("\n".join(str(issue) for issue in issues)) from error


def load(model: type[M], text: str, source: str, kind: DocumentKind) -> M:
    """`parse` and `check` in one."""
    return check(model, parse(text, source, kind), text, source, kind)


def key_lines(text: str) -> Iterator[tuple[Path, int]]:
    """The line of each table header and key of a TOML text that parses, by path; members of arrays by number."""
    table: Path = ()
    counts: dict[Path, int] = {}
    closing: str | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if closing is not None:
            closing = None if closing in line else closing
            continue
        if header := _HEADER.match(line):
            path = _split(header[2])
            if header[1] == "[[":
                index = counts[path] = counts.get(path, -1) + 1
                yield path, number
                table = (*path, index)
            else:
                table = _within_arrays(path, counts)
            yield table, number
        elif key := _KEY.match(line):
            yield (*table, *_split(key[1])), number
            closing = _opened(key[2])


def with_field_names(model: type[BaseModel], data: Mapping[str, Any]) -> dict[str, Any]:
    """The data with keys spelt as the model's fields, in nested tables too: `timer_c` for TOML's `timer-c`."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    spelt: dict[str, Any] = {}
    for key, value in data.items():
        name = key if key in fields else key.replace("-", "_")
        spelt[name if name in fields else key] = _within(fields[name].annotation, value) if name in fields else value
    return spelt


def _within(annotation: object, value: object) -> object:
    model = _table_model(annotation)
    if model is None:
        return value
    if isinstance(value, list):
        return [_within(model, member) for member in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    table = cast("dict[str, Any]", value)
    if _has_names(annotation):
        return {name: _within(model, member) for name, member in table.items()}
    return with_field_names(model, table)


def line_of(path: Sequence[str | int], lines: Mapping[Path, int]) -> int:
    """The line of the innermost table or key on the way to `path` that the document has; 1 if it has none."""
    for length in range(len(path), 0, -1):
        if (line := lines.get(tuple(path[:length]))) is not None:
            return line
    return 1


def _within_arrays(path: Path, counts: dict[Path, int]) -> Path:
    """`[a.b]` after `[[a]]` belongs to the last member of `a`."""
    for length in range(len(path) - 1, 0, -1):
        if (index := counts.get(path[:length])) is not None:
            return (*path[:length], index, *path[length:])
    return path


def _split(dotted: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _opened(value: str) -> str | None:
    """The quotes that end a multi-line string begun in `value`, if one stays open."""
    for quotes in ('"""', "'''"):
        if value.count(quotes) % 2:
            return quotes
    return None


def issues_of(
    error: ValidationError, model: type[BaseModel], places: Places, rule: str, *, without: Collection[str] = ()
) -> list[Issue]:
    """What pydantic found, but errors of the types in `without`: each once, in this product's words, with remedies."""
    found = [one for one in error.errors(include_url=False, include_input=False) if one["type"] not in without]
    # A list that lacks a member because that member is wrong is too short as well: one fault, told once.
    around = {one["loc"][:length] for one in found for length in range(len(one["loc"]))}
    return [
        _issue(model, one["loc"], one["msg"], one["type"], places, rule) for one in found if one["loc"] not in around
    ]


_LIST: Final = ("list", "write [ ... ]")
_TABLE: Final = ("table", "write { key = value }")
_FORMS: Final[Mapping[str, tuple[str, str]]] = {
    "tuple_type": _LIST,
    "list_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "dict_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
}
"""What pydantic names by types of Python, in words of TOML."""


def told(where: str, message: str, sort: str, rule: str) -> Issue:
    """The issue that pydantic's message of a `sort` tells; our own validators write `problem [rule]; remedy`."""
    remedy = "give a value that fits"
    if sort in _FORMS:
        form, remedy = _FORMS[sort]
        return Issue(where, rule, f"input should be a {form}", remedy)
    if sort != "value_error":
        return Issue(where, rule, message[:1].lower() + message[1:], remedy)
    found = _OURS.fullmatch(message.removeprefix("Value error, "))
    assert found is not None, "the expression matches every text"
    return Issue(where, found["rule"] or rule, found["problem"], found["remedy"] or remedy)


def place(location: Path) -> str:
    """The key that a location of pydantic's names, without what it says of validators and unions."""
    return ".".join(str(part) for part in location if not str(part).startswith("function-"))


def _issue(model: type[BaseModel], location: Path, message: str, sort: str, places: Places, rule: str) -> Issue:
    if sort == "extra_forbidden":
        where = places.of(location[:-1], location[-1:])
        known = sorted(_known_keys(model, location[:-1]))
        near = get_close_matches(str(location[-1]), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known) or 'nothing'}"
        return Issue(where, rule, "unknown key", hint)
    where = places.of(location)
    if sort == "missing":
        return Issue(where, rule, "the key is missing", "give it a value")
    return told(where, message, sort, rule)


def _known_keys(model: type[BaseModel], location: Path) -> set[str]:
    """The keys of the table at `location`, empty where the model does not tell."""
    annotation: object = model
    is_name = False
    for part in location:
        if isinstance(part, int) or is_name:
            is_name = False
            continue
        table = _table_model(annotation)
        fields = {} if table is None else table.model_fields
        annotation = next((f.annotation for name, f in fields.items() if part in (f.alias, name)), None)
        is_name = _has_names(annotation)
    table = None if is_name else _table_model(annotation)
    return set() if table is None else {f.alias or n.replace("_", "-") for n, f in table.model_fields.items()}


def _has_names(annotation: object) -> bool:
    """Whether tables of the model stand under names that the writer of the document chooses: `dict[str, Model]`."""
    return typing.get_origin(annotation) is dict or any(map(_has_names, typing.get_args(annotation)))


def _table_model(annotation: object) -> type[BaseModel] | None:
    """The model inside an annotation such as `tuple[Model, ...]`, `dict[str, Model]` or `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        if (found := _table_model(argument)) is not None:
            return found
    return None
