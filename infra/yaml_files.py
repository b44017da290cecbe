"""YAML as people write settings: read safely, within limits, and no key of it lost.

`yaml.safe_load` builds no objects of a file's choosing, but it reads on where no person can have
meant it: it keeps the last of two equal keys without a word, recurses as deep as the file says, and
shares what an alias stands for, so that nine lines can stand for a billion values as soon as
somebody walks over them (CWE-776).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 100_000
SHOWN: Final = 40  # characters of a value that cannot be read

# Octal numbers, and those of base 60.
_READ_OTHERWISE: Final = re.compile(r"[-+]?(0[0-7_]+|[0-9_]+(:[0-5]?[0-9])+)")
_MERGE_TAG: Final = "tag:yaml.org,2002:merge"


@dataclass(frozen=True)
class Misread:
    """What stands in the place of a value that YAML 1.1 reads otherwise than a person, or not.

    Attributes:
        text: as it stands in the file.
        why: what would become of it, and what would be right.
        line: of the file, from 1.
    """

    text: str
    why: str
    line: int

    def __repr__(self) -> str:
        return self.text


def parse_yaml(text: str, *, keep_misread: bool = False) -> Any:
    """The value of one YAML document.

    Args:
        text: of at most `MAX_BYTES`, nested at most `MAX_DEPTH` deep, standing for at most
            `MAX_VALUES` values with its aliases written out.
        keep_misread: put a `Misread` in the place of a value that is read otherwise than a person
            would, for who refuses it together with all else that is wrong.

    Raises:
        yaml.YAMLError: it is no YAML, is beyond a limit, gives a key twice, or holds a value that
            is read otherwise than a person would; with the line.

    """
    if (size := len(text.encode(errors="surrogatepass"))) > MAX_BYTES:
        raise yaml.YAMLError(f"it has {size:,} bytes; right are at most {MAX_BYTES:,}")
    # Both derive from SafeLoader, and only refuse more.
    loader = _KeepingLoader if keep_misread else _LimitedLoader
    return yaml.load(text, Loader=loader)  # noqa: S506  # nosec B506


class _LimitedLoader(yaml.SafeLoader):
    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._values_of: dict[int, int] = {}  # by id of a node; the composer keeps all alive

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _refused(f"more than {MAX_DEPTH} values stand in one another", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            if id(node) not in self._values_of:
                raise _refused(f"*{event.anchor} stands inside of what it stands for", event)
        elif node is not None:
            _check_keys(node)
            values = 1 + sum(self._values_of[id(one)] for one in _inside(node))
            self._values_of[id(node)] = values
            if values > MAX_VALUES:
                raise _refused(f"with its aliases it has more than {MAX_VALUES:,} values", event)
        return node

    def misread(self, node: yaml.ScalarNode, why: str) -> Any:
        """Refuse a value, which a person did not mean as it is read."""
        raise yaml.constructor.ConstructorError(None, None, why, node.start_mark)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> Any:
        """A whole number, but none that YAML 1.1 reads otherwise than a person: 012 as 10."""
        value = int(super().construct_yaml_int(node))
        if _READ_OTHERWISE.fullmatch(node.value):
            return self.misread(
                node,
                f"{node.value} would be read as the number {value} (YAML 1.1); write the number "
                "without a zero or colon in it, or quote it where it is text",
            )
        return value

    def construct_yaml_float(self, node: yaml.ScalarNode) -> Any:
        """A number with a point, but none of base 60: 1:30.5 as 90.5."""
        value = float(super().construct_yaml_float(node))
        if ":" in node.value:
            return self.misread(
                node,
                f"{node.value} would be read as the number {value:g} (YAML 1.1); write the number "
                "without a colon in it, or quote it where it is text",
            )
        return value


class _KeepingLoader(_LimitedLoader):
    def misread(self, node: yaml.ScalarNode, why: str) -> Misread:
        return Misread(_short(node.value), why, node.start_mark.line + 1)


def _scalar(construct: Callable[[Any, Any], Any]) -> Callable[[Any, yaml.ScalarNode], Any]:
    """Take a value that cannot be made, such as the 13th month of a date, for misread."""

    def constructed(loader: _LimitedLoader, node: yaml.ScalarNode) -> Any:
        try:
            return construct(loader, node)
        except (ValueError, OverflowError) as error:
            return loader.misread(
                node,
                f"{_short(node.value)} cannot be read: {error}; correct it, or quote it where it "
                "is text",
            )

    return constructed


for _kind, _construct in {
    "int": _LimitedLoader.construct_yaml_int,
    "float": _LimitedLoader.construct_yaml_float,
    "timestamp": _LimitedLoader.construct_yaml_timestamp,
}.items():
    _LimitedLoader.add_constructor(f"tag:yaml.org,2002:{_kind}", _scalar(_construct))
    _KeepingLoader.add_constructor(f"tag:yaml.org,2002:{_kind}", _scalar(_construct))


def misread_in(value: Any) -> Iterator[Misread]:
    """All that was misread in a value as `parse_yaml` keeps it."""
    if isinstance(value, Misread):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from misread_in(list(pair))
    elif isinstance(value, list):
        for item in value:
            yield from misread_in(item)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _inside(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value


def _check_keys(node: yaml.Node) -> None:
    """Refuse a mapping that gives a key twice; what `<<` merges in may be given anew."""
    seen: dict[tuple[str, str], yaml.Node] = {}
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE_TAG:
            continue
        first = seen.setdefault((key.tag, key.value), key)
        if first is not key:
            raise yaml.composer.ComposerError(
                f"the key {key.value!r} stands here", first.start_mark,
                "and once more here; keep one of them, or put both together", key.start_mark,
            )  # fmt: skip


def _refused(problem: str, event: Any) -> yaml.YAMLError:
    return yaml.composer.ComposerError(None, None, problem, event.start_mark)
