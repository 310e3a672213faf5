"""YAML files that people write, read so that every mistake has a place.

Rulebooks, phrasebooks and profiles are read with it. The files are untrusted: size, depth,
aliases, tags and duplicate keys are refused. Only plain strings, numbers, booleans and nulls of
YAML 1.2 come out (``no``, ``on`` and ``1:30`` stay text).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from callaudit.errors import Problem, UserError

MAX_BYTES = 4_000_000
MAX_DEPTH = 40

Location = tuple[str | int, ...]
"""Path of keys and list indexes from the root to a value."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class LocatedYaml:
    """A YAML document together with the line and column of every value.

    Attributes:
        path: The file as the user named it.
        text: The whole text (``sha256`` hashes it, reports keep it as a snapshot).
        data: Plain Python data.
        positions: Line and column (1-based) of each value; for a mapping entry, of its key.
    """

    path: str
    text: str
    data: Any
    positions: dict[Location, tuple[int, int]]

    @property
    def sha256(self) -> str:
        """Hash of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def position(self, location: Location) -> tuple[int, int]:
        """Place of a value; of its nearest ancestor when the value itself does not exist."""
        while location and location not in self.positions:
            location = location[:-1]
        return self.positions.get(location, (1, 1))

    def problem(self, location: Location, message: str) -> Problem:
        """A mistake at a value."""
        line, column = self.position(location)
        return Problem(self.path, line, column, message)


def read_yaml(path: Path, error: Callable[[str, tuple[Problem, ...]], UserError]) -> LocatedYaml:
    """Reads a YAML file.

    Args:
        path: The file.
        error: Makes the exception to raise (e.g. the class ``RulebookError``).

    Raises:
        UserError: The file cannot be read, is not YAML, or uses what is refused.
    """
    try:
        raw = path.read_bytes()
    except OSError as cause:
        raise error(f"读不到文件 {path}：{cause.strerror or cause}", ()) from None
    if len(raw) > MAX_BYTES:
        raise error(f"文件 {path} 超过 {MAX_BYTES // 1_000_000} MB，不会是规则书或话术库", ())
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = raw[: cause.start].count(b"\n") + 1
        problem = Problem(str(path), line, 1, "请另存为 UTF-8")
        raise error("文件不是 UTF-8 编码", (problem,)) from None
    return parse_yaml(text, str(path), error)


def parse_yaml(
    text: str, path: str, error: Callable[[str, tuple[Problem, ...]], UserError]
) -> LocatedYaml:
    """Parses YAML text; ``path`` only names it in messages. Raises like `read_yaml`."""
    headline = f"{path} 不能使用"
    try:
        refusal = _refused(text, path)
        if refusal is not None:
            raise error(headline, (refusal,))
        yaml = YAML(typ="safe", pure=True)
        root = yaml.compose(text)
    except MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        what = cause.problem or cause.context or "YAML 语法错误"
        raise error(headline, (Problem(path, line, column, f"YAML 语法错误：{what}"),)) from None
    except (YAMLError, ValueError, RecursionError) as cause:
        raise error(headline, (Problem(path, 1, 1, f"YAML 语法错误：{cause}"),)) from None
    if root is None:
        raise error(headline, (Problem(path, 1, 1, "文件是空的"),))
    positions: dict[Location, tuple[int, int]] = {}
    problems: list[Problem] = []
    data = _build(root, (), positions, problems, yaml.constructor, path)
    if problems:
        raise error(headline, tuple(sorted(problems)))
    return LocatedYaml(path, text, data, positions)


def _refused(text: str, path: str) -> Problem | None:
    """First construct that is never allowed, found on the event stream before anything is built."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        place = (event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, AliasEvent):
            return Problem(path, *place, "不支持 YAML 别名（*名称），请把内容写全")
        if getattr(event, "tag", None):
            return Problem(path, *place, "不支持 YAML 标签（!名称）")
        if getattr(event, "anchor", None):
            return Problem(path, *place, "不支持 YAML 锚点（&名称），请把内容写全")
        if isinstance(event, CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                return Problem(path, *place, f"嵌套超过 {MAX_DEPTH} 层")
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
    return None


def _build(
    node: Node,
    location: Location,
    positions: dict[Location, tuple[int, int]],
    problems: list[Problem],
    constructor: SafeConstructor,
    path: str,
) -> Any:
    positions.setdefault(location, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, MappingNode):
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if key in mapping:
                problems.append(Problem(path, *place, f"键 {key} 写了两次"))
                continue
            positions[(*location, key)] = place
            mapping[key] = _build(
                value_node, (*location, key), positions, problems, constructor, path
            )
        return mapping
    if isinstance(node, SequenceNode):
        return [
            _build(item, (*location, index), positions, problems, constructor, path)
            for index, item in enumerate(node.value)
        ]
    return _scalar(node, constructor)


def _scalar(node: Node, constructor: SafeConstructor) -> Any:
    kind = str(node.tag).rpartition(":")[2]
    if kind not in ("null", "bool", "int", "float"):
        return node.value  # timestamps and the like stay as they were written
    return constructor.construct_object(node)


def validate(
    document: LocatedYaml,
    model: type[Model],
    error: Callable[[str, tuple[Problem, ...]], UserError],
) -> Model:
    """Validates a document; all mistakes at once, each with its place.

    Raises:
        UserError: Made by ``error``, with one problem per mistake.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as cause:
        raise error(f"{document.path} 不能使用", problems_of(document, cause)) from None


def problems_of(
    document: LocatedYaml, cause: ValidationError, prefix: Location = ()
) -> tuple[Problem, ...]:
    """The mistakes that pydantic found, with places, in the order of the file.

    Args:
        document: Where the validated data came from.
        cause: What pydantic raised.
        prefix: Location of the validated data inside the document.
    """
    problems = {
        document.problem(_existing(document, prefix, details["loc"]), _explain(details))
        for details in cause.errors()
    }
    return tuple(sorted(problems))


def _existing(document: LocatedYaml, prefix: Location, loc: tuple[int | str, ...]) -> Location:
    """Drops the parts that pydantic adds for unions (tags and type names)."""
    location: Location = prefix
    for part in loc:
        if (*location, part) in document.positions:
            location = (*location, part)
    return location


def _explain(details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    key = details["loc"][-1] if details["loc"] else ""
    match details["type"]:
        case "missing":
            return f"缺少 {key}"
        case "extra_forbidden":
            return f"不认识的键 {key}"
        case "literal_error" | "enum":
            return f"{key} 只能是 {context.get('expected')}，写的是 {details['input']!r}"
        case "union_tag_invalid":
            return f"不认识的类型 {context.get('tag')}，可用：{context.get('expected_tags')}"
        case "union_tag_not_found":
            return f"缺少 {str(context.get('discriminator', '')).strip(chr(39))}"
        case "value_error" | "assertion_error":
            return str(context.get("error", details["msg"]))
        case "string_type":
            return f"{key} 应当是文字，写的是 {details['input']!r}"
        case "int_type" | "int_parsing" | "int_from_float":
            return f"{key} 应当是整数，写的是 {details['input']!r}"
        case "float_type" | "float_parsing":
            return f"{key} 应当是数字，写的是 {details['input']!r}"
        case "bool_type" | "bool_parsing":
            return f"{key} 应当是 true 或 false，写的是 {details['input']!r}"
        case "list_type" | "tuple_type":
            return f"{key} 应当是列表"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"{key} 应当是一组键和值"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            sign = {
                "greater_than": ("大于", "gt"),
                "greater_than_equal": ("不小于", "ge"),
                "less_than": ("小于", "lt"),
                "less_than_equal": ("不大于", "le"),
            }[details["type"]]
            return f"{key} 应当{sign[0]} {context.get(sign[1])}，写的是 {details['input']!r}"
        case "too_short" | "string_too_short":
            return f"{key} 不能为空"
        case _:
            return f"{key} 不能用：{details['msg']}"
