"""The text of HTML, without its tags: what a reader of the page would see of it.

Parsed by libxml2, whose tokenizer follows the HTML standard (WHATWG, section 13.2.5) and whose time
grows with the length of a text alone, whatever stands in it. What only looks like a tag stays text:
`a < b`, `List<String>`, `<PERSON>`, and a tag that is never closed.
"""

import html
import re
from typing import TYPE_CHECKING, Final

from lxml import etree

from infra.errors import SettingsError
from tasks.task_types.rows import Kind, RowShape, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

# Tags that end a line; of those that stand within one the text goes on.
_BLOCKS: Final = frozenset(
    """address article aside blockquote body br caption center dd details dialog dir div dl dt
    fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr
    html legend li main menu nav noscript ol optgroup option p pre search section summary table
    tbody template tfoot thead title tr ul""".split()  # noqa: SIM905 - a list of these is a page
)
_WITHIN_LINES: Final = frozenset(
    """a abbr acronym applet area audio b base basefont bdi bdo big button canvas cite code col
    colgroup data datalist del dfn em embed font i iframe img input ins kbd label link map mark
    marquee meta meter nobr object output param picture progress q rp rt ruby s samp select slot
    small source span strike strong sub sup svg td textarea th time track tt u var video
    wbr""".split()  # noqa: SIM905
)
_CELLS: Final = frozenset({"td", "th"})
_DROPPED: Final = frozenset({"script", "style"})
_TAGS: Final = _BLOCKS | _WITHIN_LINES | _DROPPED | {"doctype"}
_OPENING: Final = re.compile(
    r"<(?P<tag>/?(?P<name>[a-z][a-z0-9-]*)(?=[\s/>])|!doctype\b)?", re.IGNORECASE | re.ASCII
)
_MARK_IN_TAG: Final = re.compile("[<>\"']")
_CDATA: Final = re.compile(r"<!\[CDATA\[|\]\]>")
# For RE2: what may be a tag or a character reference.
_MARKED: Final = r"<[A-Za-z/!]|&(?:#|[A-Za-z])"
STRIPPED_KINDS: Final[frozenset[Kind]] = frozenset({"text", "texts", "turns"})


def check_html(shape: RowShape) -> None:
    """Raise SettingsError where rows of the task type have places in their texts."""
    if shape.passage or shape.has_tags or shape.entities:
        counted = "entities" if shape.entities else "answers"
        places = "tags of tokens" if shape.has_tags else f"offsets of {counted}"
        raise SettingsError(
            f"source.strip_html: rows of task type {shape.task_type} have {places}, which would no "
            "longer fit; take the tags out of the files, and count anew what stands where"
        )


def strip_columns(rows: "pa.Table", shape: RowShape) -> tuple["pa.Table", int]:
    """Rows with the text of their HTML, and how many of them that changed."""
    import numpy as np

    changed = np.zeros(rows.num_rows, np.bool_)
    for column in shape.columns:
        if column.kind in STRIPPED_KINDS:
            old = rows[column.name].combine_chunks()
            marked = np.flatnonzero(_may_be_marked(old, column.kind))
            if not len(marked):
                continue
            values = old.to_pylist()
            for place in marked.tolist():
                new = _strip(values[place])
                changed[place] |= new != values[place]
                values[place] = new
            at = rows.schema.get_field_index(column.name)
            rows = rows.set_column(at, rows.field(at), _array(values, column.kind))
    return rows, int(changed.sum())


def _array(values: list[object], kind: Kind) -> "pa.Array":
    import pyarrow as pa

    return pa.array(values, arrow_type(kind))


def _may_be_marked(values: "pa.Array", kind: Kind) -> "pa.Array":
    """A quick look at each value, so that a text without tags costs nothing more."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind != "text":  # lists are short, and looked at one by one
        return pa.array([value is not None for value in values.to_pylist()])
    return pc.fill_null(pc.match_substring_regex(values, _MARKED), False)  # noqa: FBT003


def _strip(value: object) -> object:
    """A text, the texts of a list, or the contents of turns."""
    if isinstance(value, str):
        return text_of_html(value)
    if isinstance(value, list):
        return [_strip(item) for item in value]
    if isinstance(value, dict):
        return value | {"content": _strip(value["content"])}
    return value


def text_of_html(text: str) -> str:
    """The text without tags, comments, scripts and styles, its character references decoded.

    A tag that stands between paragraphs, items or rows of a table is a line end; there white space
    around lines goes, and of empty lines in a row one is left. A text without tags keeps its white
    space.
    """
    plain = _CDATA.sub("", _without_comments(text)) if "<!" in text else text
    marked, tags = _escape_what_is_no_tag(plain)
    if not tags:
        return html.unescape(plain)
    parser = etree.HTMLParser(target=_Reader(), huge_tree=True, no_network=True)
    parser.feed(marked)
    return _tidy(parser.close())


def _without_comments(text: str) -> str:
    """The text without comments; one that is never closed is text."""
    kept, start = [], 0
    while (opening := text.find("<!--", start)) >= 0:
        closing = text.find("-->", opening)
        if closing < 0:
            break
        kept.append(text[start:opening])
        start = closing + len("-->")
    return "".join((*kept, text[start:]))


def _escape_what_is_no_tag(text: str) -> tuple[str, int]:
    """The text with `&lt;` for each < that begins no tag of HTML, and how many do begin one."""
    lowered = text.lower()
    last_closing = {name: lowered.rfind(f"</{name}") for name in _DROPPED}
    tags = 0

    def escape(match: re.Match[str]) -> str:
        nonlocal tags
        name = (match["name"] or "doctype").lower()
        is_tag = match["tag"] and name in _TAGS and _is_closed(text, match.end())
        # A script that is never closed would swallow the rest of the text.
        if not is_tag or match.start() > last_closing.get(name, len(text)):
            return "&lt;" + match.group()[1:]
        tags += 1
        return match.group()

    return _OPENING.sub(escape, text), tags


def _is_closed(text: str, at: int) -> bool:
    """Whether a tag whose name ends here has an end, and no quote in it is left open."""
    while mark := _MARK_IN_TAG.search(text, at):
        if mark.group() in "<>":
            return mark.group() == ">"
        at = text.find(mark.group(), mark.end()) + 1
        if not at:
            break
    return False


class _Reader:
    """Takes what the parser finds, and keeps the text."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._dropped = 0
        self._starts_line = True

    def start(self, tag: str, _: object) -> None:
        """Note an opening tag."""
        self._dropped += tag in _DROPPED
        self._mark(tag)

    def end(self, tag: str) -> None:
        """Note a closing tag, or where the parser closes one itself."""
        self._dropped -= tag in _DROPPED
        if tag in _CELLS and not self._starts_line:
            self._parts.append(" ")
        elif tag != "br":
            self._mark(tag)

    def data(self, text: str) -> None:
        """Keep a piece of text, but not the white space between two blocks."""
        text = text.lstrip() if self._starts_line else text
        if text and not self._dropped:
            self._parts.append(text)
            self._starts_line = False

    def close(self) -> str:
        """All of the text."""
        return "".join(self._parts)

    def _mark(self, tag: str) -> None:
        if tag == "br" or (tag in _BLOCKS and not self._starts_line):
            self._parts.append("\n")
            self._starts_line = True


def _tidy(text: str) -> str:
    """The text's lines without white space around them, and at most one empty one in a row."""
    lines = [line.strip() for line in text.split("\n")]
    kept = [line for at, line in enumerate(lines) if line or (at and lines[at - 1])]
    return "\n".join(kept).strip()
