"""YAML as people write settings: read safely, within limits, and no key of it lost.

`yaml.safe_load` builds no objects of a file's choosing, but it reads on where no person can have
meant it: it keeps the last of two equal keys without a word, recurses as deep as the file says, and
shares what an alias stands for, so that nine lines can stand for a billion values as soon as
somebody walks over them (CWE-776).
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 100_000

# Octal numbers, and those of base 60.
_READ_OTHERWISE: Final = re.compile(r"[-+]?(0[0-7_]+|[0-9_]+(:[0-5]?[0-9])+)")
_MERGE_TAG: Final = "tag:yaml.org,2002:merge"


def parse_yaml(text: str) -> Any:
    """The value of one YAML document.

    Args:
        text: of at most `MAX_BYTES`, nested at most `MAX_DEPTH` deep, standing for at most
            `MAX_VALUES` values with its aliases written out.

    Raises:
        yaml.YAMLError: it is no YAML, is beyond a limit, or gives a key twice; with the line.

    """
    if (size := len(text.encode(errors="surrogatepass"))) > MAX_BYTES:
        raise yaml.YAMLError(f"it has {size:,} bytes; right are at most {MAX_BYTES:,}")
    try:
        # Derives from SafeLoader, and only refuses more.
        return yaml.load(text, Loader=_LimitedLoader)  # noqa: S506  # nosec B506
    except (ValueError, OverflowError) as error:  # such as the 13th month of a date
        raise yaml.YAMLError(f"it holds a value that cannot be read: {error}") from error


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

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number, but none that YAML 1.1 reads otherwise than a person: 012 as 10."""
        if _READ_OTHERWISE.fullmatch(node.value):
            value = super().construct_yaml_int(node)
            raise yaml.constructor.ConstructorError(
                None, None,
                f"{node.value} would be read as the number {value} (YAML 1.1); write the number "
                "without a zero or colon in it, or quote it where it is text",
                node.start_mark,
            )  # fmt: skip
        return int(super().construct_yaml_int(node))


_LimitedLoader.add_constructor("tag:yaml.org,2002:int", _LimitedLoader.construct_yaml_int)


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
