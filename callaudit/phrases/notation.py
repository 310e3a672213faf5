"""The notation of variants: a small language for the many ways of saying one thing.

::

    (您好|你好)请问有什么[可以|能](帮|帮助)您
    (a|b)     one of them
    [a|b]     one of them, or nothing
    {称呼}     a slot: 称呼 (王先生), 工号, 公司, 数字
    …  …{4}   anything, at most 6 (4) characters ("..." is the same)
    <还>      key: must have been heard, or something that sounds nearly like it
    您好【热电】  core: only this is the phrase, the rest is context that must be there

Punctuation and spaces are ignored, and 您 and 你 are the same, as everywhere in matching.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from callaudit.phrases.text import fold, read_digits

DEFAULT_GAP = 6
MAX_GAP = 20
MAX_SIZE = 300
"""Characters, alternatives included, that one variant may have."""

HONORIFICS = (
    "先生|女士|小姐|同志|师傅|大哥|大姐|阿姨|叔叔|大爷|大娘|大妈|老师|经理|领导|老板|用户|客户"
)
NUMERALS = frozenset("0123456789零一二三四五六七八九十百千幺两")
"""What numbers in slots are made of."""
_NUMERAL = "[0-9零一二三四五六七八九十百千幺两]"


@dataclass(frozen=True, slots=True)
class Literal:
    """Characters that must be said.

    Attributes:
        text: As written.
        keys: Indexes into the comparable text of characters that carry the meaning.
    """

    text: str
    keys: tuple[int, ...] = ()

    def __add__(self, other: Literal) -> Literal:
        shift = len(fold(self.text))
        return Literal(self.text + other.text, self.keys + tuple(key + shift for key in other.keys))


@dataclass(frozen=True, slots=True)
class Gap:
    """Anything, at most ``limit`` characters."""

    limit: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A value: ``key`` names it in hits, ``label`` in the notation."""

    key: str
    label: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several sequences."""

    options: tuple[Sequence, ...]


@dataclass(frozen=True, slots=True)
class Core:
    """The part of a variant that is the phrase; what is outside is only context."""

    inner: Sequence


Node = Literal | Gap | Slot | Choice | Core
Sequence = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """What differs from company to company; see ``phrasebooks/site.yaml``."""

    company_names: tuple[str, ...] = ("热电集团", "热电公司")
    staff_digits: tuple[int, int] = (2, 8)


class NotationError(ValueError):
    """A mistake in a variant.

    Attributes:
        offset: Index of the character where it is.
    """

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


_FULL_WIDTH = str.maketrans("（）［］｛｝｜＜＞〈〉", "()[]{}|<><>")


def parse(text: str, site: Site) -> Sequence:
    """Reads a variant.

    Raises:
        NotationError: With a Chinese sentence and the place.
    """
    return _Parser(text.translate(_FULL_WIDTH), site).parse()


class _Parser:
    def __init__(self, text: str, site: Site) -> None:
        self.text = text
        self.site = site
        self.position = 0

    def parse(self) -> Sequence:
        sequence = self._sequence()
        if self.position < len(self.text):
            raise NotationError(
                f"多了一个 {self.text[self.position]}，前面没有与它配对的括号", self.position
            )
        return sequence

    def _sequence(self) -> Sequence:
        nodes: list[Node] = []
        while self.position < len(self.text) and self.text[self.position] not in ")]|}>】":
            node = self._node()
            if isinstance(node, Literal) and nodes and isinstance(nodes[-1], Literal):
                nodes[-1] = nodes[-1] + node
            else:
                nodes.append(node)
        return tuple(nodes)

    def _node(self) -> Node:
        character = self.text[self.position]
        if character in "([":
            return self._choice(character)
        if character == "{":
            return self._slot()
        if character == "<":
            return self._key()
        if character == "【":
            return self._core()
        if character == "…" or self.text.startswith("...", self.position):
            return self._gap()
        self.position += 1
        return Literal(character)

    def _key(self) -> Literal:
        start = self.position
        end = self.text.find(">", start)
        if end < 0:
            raise NotationError("括号 < 没有配对的 >", start)
        text = self.text[start + 1 : end]
        if not text or any(character in "()[]{}|<…" for character in text):
            raise NotationError("< > 里只能是文字", start)
        self.position = end + 1
        return Literal(text, tuple(range(len(fold(text)))))

    def _core(self) -> Core:
        start = self.position
        self.position += 1
        inner = self._sequence()
        if not self.text.startswith("】", self.position):
            raise NotationError("括号 【 没有配对的 】", start)
        if not inner:
            raise NotationError("【 】 里不能是空的", start)
        self.position += 1
        return Core(inner)

    def _choice(self, opening: str) -> Choice:
        start = self.position
        closing = ")" if opening == "(" else "]"
        options: list[Sequence] = []
        while True:
            self.position += 1
            options.append(self._sequence())
            if self.position >= len(self.text):
                raise NotationError(f"括号 {opening} 没有配对的 {closing}", start)
            if self.text[self.position] != "|":
                break
        if self.text[self.position] != closing:
            raise NotationError(
                f"括号 {opening} 应当由 {closing} 结束，写的是 {self.text[self.position]}",
                self.position,
            )
        self.position += 1
        if not all(options):
            raise NotationError("括号里有空的选项；可有可无的词请写在 [ ] 里", start)
        if opening == "[":
            options.append(())
        return Choice(tuple(options))

    def _braced(self) -> str:
        start = self.position
        end = self.text.find("}", start)
        if end < 0:
            raise NotationError("括号 { 没有配对的 }", start)
        self.position = end + 1
        return self.text[start + 1 : end].strip()

    def _gap(self) -> Gap:
        start = self.position
        self.position += 1 if self.text[start] == "…" else 3
        if not self.text.startswith("{", self.position):
            return Gap(DEFAULT_GAP)
        written = self._braced()
        if not written.isdigit() or not 1 <= int(written) <= MAX_GAP:
            raise NotationError(f"间隔应当是 1 到 {MAX_GAP} 个字，写的是 {written!r}", start)
        return Gap(int(written))

    def _slot(self) -> Node:
        start = self.position
        label = self._braced()
        match label:
            case "称呼":
                return Slot("honorific", label, 1, 5)
            case "工号":
                return Slot("staff_number", label, *self.site.staff_digits)
            case "数字":
                return Slot("number", label, 1, 20)
            case "公司":
                return Choice(tuple((Literal(name),) for name in self.site.company_names))
        raise NotationError(f"没有插槽 {{{label}}}，可用：称呼、工号、公司、数字", start)


def size(sequence: Sequence) -> int:
    """Characters of a variant, alternatives included; slots and gaps count one."""
    total = 0
    for node in sequence:
        match node:
            case Literal(text=text):
                total += len(fold(text))
            case Choice(options):
                total += sum(map(size, options))
            case Core(inner):
                total += size(inner)
            case _:
                total += 1
    return total


def longest(sequence: Sequence) -> int:
    """Most characters that a variant can match."""
    total = 0
    for node in sequence:
        match node:
            case Literal(text=text):
                total += len(fold(text))
            case Gap(limit):
                total += limit
            case Slot():
                total += node.high + 1
            case Choice(options):
                total += max(map(longest, options))
            case Core(inner):
                total += longest(inner)
    return total


def count(sequence: Sequence) -> int:
    """How many wordings a variant stands for."""
    total = 1
    for node in sequence:
        if isinstance(node, Choice):
            total *= sum(map(count, node.options))
        elif isinstance(node, Core):
            total *= count(node.inner)
    return total


def is_fixed(sequence: Sequence) -> bool:
    """Whether a variant has neither gaps nor slots nor a core, and so is a set of texts."""
    return all(
        all(map(is_fixed, node.options)) if isinstance(node, Choice) else isinstance(node, Literal)
        for node in sequence
    )


def wordings(sequence: Sequence) -> Iterator[str]:
    """All comparable wordings of a variant without gaps and slots."""
    alternatives: list[list[str]] = []
    for node in sequence:
        if isinstance(node, Choice):
            alternatives.append([text for option in node.options for text in wordings(option)])
        elif isinstance(node, Literal):
            alternatives.append([fold(node.text)])
        else:
            raise TypeError(f"not a fixed variant: {node}")
    for parts in product(*alternatives):
        yield read_digits("".join(parts))


def may_be_empty(sequence: Sequence) -> bool:
    """Whether a variant stands for nothing at all, or for anything."""
    return all(
        any(map(may_be_empty, node.options))
        if isinstance(node, Choice)
        else may_be_empty(node.inner)
        if isinstance(node, Core)
        else not (isinstance(node, Literal) and fold(node.text))
        for node in sequence
    )


def has_open_end(sequence: Sequence) -> bool:
    """Whether some wording begins or ends with a gap."""
    return _opens(sequence, 1) or _opens(sequence, -1)


def _opens(sequence: Sequence, direction: int) -> bool:
    for node in sequence[::direction]:
        if isinstance(node, Gap):
            return True
        if isinstance(node, Core):
            return _opens(node.inner, direction)
        if isinstance(node, Choice):
            if any(_opens(option, direction) for option in node.options):
                return True
            if any(not option for option in node.options):
                continue
        return False
    return False


def adjacent(sequence: Sequence) -> Iterator[str]:
    """The fixed texts of a variant, and every pair of characters that may meet between them."""
    texts: list[str] = []
    _meet(sequence, frozenset(), texts)
    yield from texts


def _meet(sequence: Sequence, before: frozenset[str], texts: list[str]) -> frozenset[str]:
    """Collects texts; takes and returns the characters that may stand before the next one."""
    for node in sequence:
        if isinstance(node, Literal):
            text = fold(node.text)
            if text:
                texts.append(text)
                texts += [character + text[0] for character in before]
                before = frozenset(text[-1])
        elif isinstance(node, Choice):
            ends = [_meet(option, before, texts) for option in node.options]
            before = frozenset().union(*ends)
        elif isinstance(node, Core):
            before = _meet(node.inner, before, texts)
        else:
            before = frozenset()
    return before


def regex(sequence: Sequence) -> str:
    """A regular expression over comparable text; slots and gaps are named groups ``key_n``."""
    return _regex(sequence, itertools.count(1))


def _regex(sequence: Sequence, counter: Iterator[int]) -> str:
    parts: list[str] = []
    for node in sequence:
        match node:
            case Literal(text=text):
                parts.append(re.escape(fold(text)))
            case Gap(limit):
                parts.append(rf"(?P<gap_{next(counter)}>[^\n]{{0,{limit}}}?)")
            case Slot():
                parts.append(f"(?P<{node.key}_{next(counter)}>{_slot_regex(node)})")
            case Core(inner):
                parts.append(f"(?P<core_{next(counter)}>{_regex(inner, counter)})")
            case Choice(options):
                # Longest first: the first alternative that fits is taken.
                ordered = sorted(options, key=longest, reverse=True)
                parts.append(f"(?:{'|'.join(_regex(option, counter) for option in ordered)})")
    return "".join(parts)


def _slot_regex(slot: Slot) -> str:
    if slot.key == "honorific":
        return f"[^\\n]{{0,3}}?(?:{HONORIFICS})"
    letter = "[a-z]?" if slot.key == "staff_number" else ""
    return f"{letter}{_NUMERAL}{{{slot.low},{slot.high}}}"
