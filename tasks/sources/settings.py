"""What a line reads: files, a data set of the Hugging Face hub, or the rows of a query."""

import codecs
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from infra.settings_models import SettingsModel, WrongSetting, refuse
from tasks.row_expressions import comparisons_of
from tasks.sources.tag_schemes import TagSchemeOfFiles
from tasks.sources.values import WrongValueError, label_text
from tasks.task_types.rows import OWN_COLUMNS, RowShape

S3_SCHEME: Final = "s3://"
# Codecs of Python that are no character set, and those whose bytes mean what earlier ones say.
_NO_CHARACTER_SETS: Final = {"idna", "punycode", "unicode-escape", "raw-unicode-escape"}
_STATEFUL: Final = ("utf-7", "hz", "iso2022")
# Names that no group column may have, so that it can move to a line of another task type.
RESERVED_COLUMNS: Final = OWN_COLUMNS | {
    "text", "label", "labels", "target", "tokens", "tags", "question", "context", "answer",
    "answer_start", "source", "messages", "relation", "subject_start", "subject_end",
    "subject_type", "object_start", "object_end", "object_type",
}  # fmt: skip

# As SQLAlchemy tells them: the password reaches up to the next @, whatever stands in it.
_USER_AND_PASSWORD: Final = re.compile(r"[\w+]+://[^:/]*:(?P<password>[^@]*)@")
_VARIABLE: Final = re.compile(r"(\$\w+|\$\{\w+\})?")
_SECRET_IN_QUERY: Final = re.compile(r"(?i)(passw\w*|pwd|secret\w*|token\w*)(=|%3d)(?!\$|%24)")
_HAS_SCHEME: Final = re.compile(r"[\w+]+://|\$\w|\$\{\w")
# Words that make a statement write although it begins with SELECT or WITH.
_WRITING: Final = frozenset({"INTO", "INSERT", "UPDATE", "DELETE", "MERGE"})
LabelForm = Literal["strip", "lower", "casefold", "nfc", "nfkc"]


class _RowsBase(SettingsModel):
    """What every source can say."""

    max_rows: int | None = Field(
        default=None,
        ge=1,
        description="Keep at most this many distinct rows, chosen by the hash of their text, so "
        "the same ones each time; None keeps all.",
    )
    weight: float | None = Field(
        default=None,
        gt=0,
        description="Of several sources: the share of the training rows that come from this one, "
        "over the sum of all weights. Rows are left out by the hash of their text where a source "
        "has too many, and none is repeated; validation and test rows are all kept.",
    )
    keep_rows: str | None = Field(
        default=None,
        min_length=1,
        description="Keep only the rows for which this expression over the source's columns holds: "
        '`stars != 3 and language == "en"`. Operators are == != < <= > >= in, not in, and, or, '
        "not; a name that is no name of Python stands in backticks. A row without a value that "
        "decides is left out; one whose value cannot be compared is broken. Rows that are taken "
        "back in by readmit are always kept.",
    )
    strip_html: bool = Field(
        default=False,
        description="Take the tags of HTML, comments, scripts and styles out of all texts, and "
        "decode character references such as &amp;. Tags of paragraphs, list items and table rows "
        "become line ends. Not for question answering and tagging, whose rows count characters or "
        "tokens.",
    )
    normalise_labels: tuple[LabelForm, ...] = Field(
        default=(),
        description="In which form labels are written before anything compares them. strip: "
        "without characters that cannot be seen, and with one blank for white space in a label "
        "(that around it always goes). lower or casefold: in small letters. nfc or nfkc: in that "
        "Unicode form. Of a tag only its type is changed: PER of B-PER.",
    )
    label_map: dict[str, str | None] = Field(
        default_factory=dict,
        description="The line's label for labels of the source: {pos: positive, n/a: null}. null "
        "takes the label away, so that the row counts as one without. Of tags a key may be a type "
        "alone: {PER: PERSON, MISC: O}. Applied after normalise_labels, whose forms the keys are "
        "in too, and before contract.labels and contract.missing_labels.",
    )
    unmapped_labels: Literal["keep", "quarantine"] = Field(
        default="keep",
        description="What becomes of labels that label_map neither names nor gives: keep leaves "
        "them as they are, quarantine puts their rows aside as `unknown label`.",
    )

    @field_validator("keep_rows")
    @classmethod
    def _is_an_expression(cls, text: str | None) -> str | None:
        kinds: dict[str, type] = {}
        for one in comparisons_of(text) if text else ():
            for value in one.values:
                kind = float if type(value) is int else type(value)
                if kinds.setdefault(one.column, kind) is not kind:
                    raise ValueError(
                        f"{text!r} compares {one.column!r} with values of two kinds; compare it "
                        "with texts, with numbers or with True and False"
                    )
        return text

    @field_validator("normalise_labels")
    @classmethod
    def _forms_do_not_differ(cls, forms: tuple[LabelForm, ...]) -> tuple[LabelForm, ...]:
        for both in (("lower", "casefold"), ("nfc", "nfkc")):
            if set(both) <= set(forms):
                raise ValueError(f"{both[0]} and {both[1]} are two forms; name one of them")
        if len(set(forms)) < len(forms):
            raise ValueError(f"a form is named twice in {list(forms)}")
        return forms

    @field_validator("label_map", mode="before")
    @classmethod
    def _labels_are_texts(cls, given: Any) -> Any:
        """Numbers as labels have them; what YAML made of a word is refused."""
        if not isinstance(given, Mapping):
            return given
        read: dict[str, str | None] = {}
        wrong: list[str] = []
        for key, label in given.items():
            try:
                name = _label_text(key)
                if name in read:
                    wrong.append(f"the label {name!r} is named twice; keep one line of it")
                read[name] = None if label is None else _label_text(label)
            except ValueError as error:
                wrong.append(str(error))
        refuse(WrongSetting((), message, given) for message in wrong)
        return read

    @model_validator(mode="after")
    def _unmapped_needs_a_map(self) -> Self:
        if self.unmapped_labels != "keep" and not self.label_map:
            raise ValueError(
                "unmapped_labels is quarantine and there is no label_map, so that every row would "
                "be put aside; name labels in label_map, or in contract.labels those to admit"
            )
        return self


class _FilesBase(_RowsBase):
    """Where the files lie and how their bytes become characters."""

    path: str = Field(
        min_length=1,
        description="A file, a folder, a glob such as reviews/*.csv.gz, or s3://bucket/key (a "
        "folder or glob there too). Files that end in .gz, .bz2, .xz or .zst are unpacked.",
    )
    package: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_]\w*$",
        description="An installed package whose folder the path is relative to. It isn't imported.",
    )
    follow_links: bool = Field(
        default=False,
        description="Read files of a folder or glob to which symbolic links lead out of it. A file "
        "that is named by itself may always be a link.",
    )
    encoding: str = Field(default="utf-8", description="Character encoding of files of text.")
    fallback_encoding: str | None = Field(
        default=None,
        description="Encoding of those lines that are not valid in the first one, for example "
        "cp1252; None puts them aside as broken.",
    )

    @field_validator("encoding", "fallback_encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            known = "a".encode(value).decode(value) == "a"
        except (LookupError, UnicodeError):  # the latter from a codec of bytes, such as rot13
            known = False
        name = codecs.lookup(value).name if known else ""
        if not known or name in _NO_CHARACTER_SETS:
            raise ValueError(f"{value!r} is no encoding of text that Python knows; try utf-8")
        return "utf-8" if name == "utf-8-sig" else name  # a byte order mark is always dropped

    @model_validator(mode="after")
    def _fallback_fits(self) -> Self:
        for name in (self.encoding, self.fallback_encoding):
            if name and self.fallback_encoding and not keeps_lines(name):
                raise ValueError(
                    f"fallback_encoding {self.fallback_encoding!r} cannot stand beside "
                    f"{self.encoding!r}: it is chosen line by line, and the lines of {name} are "
                    "not told by their bytes; leave it out"
                )
        return self

    @model_validator(mode="after")
    def _package_path_is_relative(self) -> Self:
        absolute = self.path.startswith(S3_SCHEME) or PurePath(self.path).is_absolute()
        if self.package and (absolute or ".." in PurePath(self.path).parts):
            raise ValueError(f"path {self.path!r} must lie inside package {self.package!r}")
        return self


class _NamedColumns(SettingsModel):
    """Which column of the source is which of the row."""

    columns: dict[str, str] = Field(
        default_factory=dict,
        description="The source's column for each column of the task type, where the names differ: "
        "{text: body, label: topic}. But in CSV, TSV and SQL, translation.en is the value en of "
        "the object translation, and answers.text.0 the first of the list text of answers.",
    )
    group_columns: tuple[str, ...] = Field(
        default=(),
        description="Columns that hold protected attributes, for example gender. A row may be in "
        "several groups of a column: a list of names, or names parted by `|`.",
    )
    cluster_column: str | None = Field(
        default=None,
        min_length=1,
        description="Column that names the author, document or conversation of a row. Rows that "
        "share it fall in the same split.",
    )

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> Self:
        named = [*self.columns.values(), *self.group_columns]
        if len(set(named)) < len(named):
            raise ValueError(f"a column is named twice in {named}")
        return self

    @model_validator(mode="after")
    def _no_column_has_a_name_of_ours(self) -> Self:
        extra = (*self.group_columns, *([self.cluster_column] if self.cluster_column else []))
        if taken := set(extra) & RESERVED_COLUMNS:
            raise ValueError(
                f"column(s) {sorted(taken)} bear a name that Assayline itself uses; "
                "rename them in the source"
            )
        return self

    def source_columns(self, shape: RowShape) -> dict[str, str]:
        """The source's column for each column of the row: those of the shape, then the groups."""
        of_shape = {name: self.columns.get(name, name) for name in shape.names}
        return of_shape | {name: name for name in self.group_columns}


class TableSource(_FilesBase, _NamedColumns):
    """Rows of files with named columns."""

    format: Literal["csv", "tsv", "json", "jsonl", "parquet", "arrow"] = Field(
        description="Format of the files. json is one list of objects a file, jsonl one object a "
        "line, arrow the IPC file or stream format."
    )
    delimiter: str = Field(
        default=",",
        min_length=1,
        max_length=1,
        description="What parts the fields of a CSV file; those of a TSV file are parted by tabs.",
    )

    quoting: Literal["auto", "double", "none"] = Field(
        default="auto",
        description="Quotes in CSV and TSV files. double: a field may stand in quotes, and a quote "
        "in it is doubled (RFC 4180). none: a quote is a character like any other. auto: double; "
        "of a TSV file none where its first lines show that nobody meant them so.",
    )
    escape: str | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="The character before a quote or delimiter of CSV and TSV files that is meant "
        "as itself, for example a backslash; None: there is none.",
    )

    @model_validator(mode="after")
    def _escape_is_no_other_mark(self) -> Self:
        if self.escape and self.escape in {self.delimiter, '"', "\n", "\r", "\0"}:
            raise ValueError(f"escape {self.escape!r} has another meaning; try a backslash")
        return self

    @field_validator("delimiter")
    @classmethod
    def _delimiter_parts_fields(cls, value: str) -> str:
        if value in {'"', "\n", "\r", "\0"}:
            raise ValueError(f"{value!r} cannot part the fields of a CSV file; use ',', ';' or '|'")
        return value


class TextFilesSource(_FilesBase):
    """Plain text files; for classification, the folder or the name of a file is the label."""

    format: Literal["text_files"] = Field(description="Plain text files.")
    label_from: Literal["folder", "file_name"] = Field(
        default="folder",
        description="The label of a file's rows: its folder's name, or its own without ending.",
    )
    unit: Literal["file", "line"] = Field(
        default="file", description="A row for each file, or one for each line that is not blank."
    )

    @property
    def group_columns(self) -> tuple[str, ...]:
        """Text files carry no groups."""
        return ()

    @property
    def cluster_column(self) -> str | None:
        """Nor clusters."""
        return None


class AnnotatedSource(_FilesBase):
    """Files in the two formats that annotated text is published in."""

    format: Literal["conll", "squad"] = Field(
        description="conll: a token and its tag a line, parted by a tab or blank, an empty line "
        "between sentences (tagging). squad: the nested JSON of SQuAD 1.1 and 2.0 (questions)."
    )
    columns: dict[Literal["tokens", "tags"], int] = Field(
        default_factory=dict,
        description="conll: which field of a line holds the token and which the tag, counted from "
        "0, or from the last by -1; by default {tokens: 0, tags: -1}. For CoNLL-U for example "
        "{tokens: 1, tags: 3}.",
    )
    tag_scheme: TagSchemeOfFiles = Field(
        default="BIO",
        description="conll: how the tags of the files mark spans; those of IOB1, BIOES and BILOU "
        "are rewritten as BIO.",
    )

    @model_validator(mode="after")
    def _only_conll_has_fields(self) -> Self:
        if self.format == "squad" and (self.columns or self.tag_scheme != "BIO"):
            raise ValueError("columns and tag_scheme are of format conll; squad has neither")
        if self.columns.get("tokens", 0) == self.columns.get("tags", -1):
            raise ValueError("columns names one field for tokens and tags; name one for each")
        return self

    @property
    def group_columns(self) -> tuple[str, ...]:
        """These formats carry no groups."""
        return ()

    @property
    def cluster_column(self) -> str | None:
        """The document's title in squad; conll names none."""
        return "title" if self.format == "squad" else None


class RelationsSource(_FilesBase):
    """Files in the two layouts that pairs of entities with their relation are published in."""

    format: Literal["tacred", "semeval"] = Field(
        description="tacred: a list of objects, or one a line, with the tokens of a sentence and "
        "the first and last token of subject and object, as TACRED has them. semeval: a number, a "
        "tab and a sentence with <e1> and <e2> around two entities, then a line with the relation, "
        "and maybe a comment, as in SemEval-2010 Task 8; e1 is the subject. Rows with a text and "
        "places in it are of the formats with named columns."
    )
    columns: dict[
        Literal[
            "tokens",
            "subject_start",
            "subject_end",
            "subject_type",
            "object_start",
            "object_end",
            "object_type",
            "relation",
        ],
        str,
    ] = Field(
        default_factory=dict,
        description="tacred: names of fields that differ from TACRED's token, subj_start, "
        "subj_end, subj_type, obj_start, obj_end, obj_type and relation: {tokens: words, "
        "subject_start: h.pos.0}.",
    )
    end: Literal["last", "behind"] = Field(
        default="last",
        description="tacred: whether subject_end and object_end name the last token of an entity, "
        "as in TACRED, or the token behind it.",
    )
    entity_type: str = Field(
        default="entity",
        min_length=1,
        description="semeval: the type of all entities, which these files don't name.",
    )
    negative_label: str | None = Field(
        default=None,
        min_length=1,
        description="What the files call a pair without a relation; it is read as no_relation, "
        "which micro and macro F1 leave out. None: no_relation of tacred, Other of semeval. Of "
        "other formats source.label_map says it: {Other: no_relation}.",
    )

    @model_validator(mode="after")
    def _each_layout_has_its_own(self) -> Self:
        if self.format == "semeval" and (self.columns or self.end != "last"):
            raise ValueError("columns and end are of format tacred; semeval has neither")
        if self.format == "tacred" and self.entity_type != "entity":
            raise ValueError("entity_type is of format semeval; tacred names types of its own")
        return self

    @property
    def negative(self) -> str:
        """What the files call a pair without a relation."""
        return self.negative_label or ("Other" if self.format == "semeval" else "no_relation")

    @property
    def group_columns(self) -> tuple[str, ...]:
        """These layouts carry no groups."""
        return ()

    @property
    def cluster_column(self) -> str | None:
        """Nor clusters; rows of one text are one."""
        return None


class AnnotationsSource(_FilesBase, _NamedColumns):
    """What annotators entered, as Label Studio and Argilla export it."""

    format: Literal["label_studio", "argilla"] = Field(
        description="label_studio: the export named JSON, one list of tasks a file; a column is a "
        "value of a task's data, or what annotators gave by the control tag of that name. argilla: "
        "what `dataset.records.to_json` writes; a column is a field, or what annotators answered "
        "to the question of that name. data.NAME, fields.NAME and metadata.NAME are read as well."
    )
    annotator_agreement: Literal["all", "majority"] = Field(
        default="all",
        description="Where several annotators answered: all puts the row aside unless they gave "
        "the same, majority takes what more than half of them gave. Annotations that were "
        "cancelled, and predictions and suggestions of a model, are never counted; of Label "
        "Studio, one that was submitted without a result counts as an answer of no choice.",
    )


class HubSource(_RowsBase, _NamedColumns):
    """A data set of the Hugging Face hub, or a local folder that `load_dataset` reads."""

    format: Literal["hub"] = Field(description="A data set as `datasets.load_dataset` reads it.")
    dataset: str = Field(
        min_length=1,
        description="Id on the hub, for example ag_news, or a local folder (starts with / or .).",
    )
    follow_links: bool = Field(
        default=False,
        description="Read files of a local folder to which symbolic links lead out of it, as they "
        "do in the hub's own cache.",
    )
    name: str | None = Field(default=None, description="Configuration of the data set.")
    split: str = Field(default="train", description="Split of the data set that is read.")
    revision: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{40}$",
        description="Commit hash on the hub; needed for a hub id, without meaning elsewhere.",
    )


class SqlSource(_RowsBase, _NamedColumns):
    """The rows of a query."""

    format: Literal["sql"] = Field(description="Rows of a SQL query.")
    url: str = Field(
        min_length=1,
        description="Address for SQLAlchemy, for example sqlite:////data/reviews.db or "
        "postgresql+psycopg://reader@db/reviews. $NAME in it is read from the environment of the "
        "worker, so that no password stands here.",
    )
    query: str = Field(
        min_length=1,
        description="A SELECT; give it an ORDER BY that leaves no ties, since its rows are read "
        "twice: to fingerprint them, and to copy them.",
    )

    @field_validator("url")
    @classmethod
    def _keeps_no_secret(cls, url: str) -> str:
        user = _USER_AND_PASSWORD.match(url)
        if (user and not _VARIABLE.fullmatch(user["password"])) or _SECRET_IN_QUERY.search(url):
            raise ValueError(
                "a password must not stand in the settings; write $NAME in its place, and set NAME "
                "in the environment of the worker"
            )
        if not _HAS_SCHEME.match(url):
            raise ValueError("must be an address such as sqlite:////data/reviews.db, or a $NAME")
        return url

    @field_validator("query")
    @classmethod
    def _only_reads(cls, query: str) -> str:
        kinds, keywords = _kinds_of_statements(query)
        if kinds != ["SELECT"]:
            raise ValueError("must be one statement that begins with SELECT or WITH")
        if writing := sorted(keywords & _WRITING):
            raise ValueError(f"must only read, and has {', '.join(writing)}")
        return query


class FeedbackSource(_RowsBase):
    """What users said of served answers, on the requests that `assayline serve` recorded."""

    format: Literal["feedback"] = Field(
        description="Recorded requests with the labels that were sent to /feedback; of several on "
        "one row the newest. Feedback on a request that was not recorded is put aside."
    )
    line: str = Field(
        pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
        description="The line that was served, most often this one.",
    )
    by: tuple[str, ...] = Field(
        default=(),
        description="Whose feedback counts, as `by` names the senders; none: everybody's. Whoever "
        "may send feedback says what the model learns, so name those whom you trust.",
    )

    @property
    def group_columns(self) -> tuple[str, ...]:
        """Recorded requests carry no groups."""
        return ()

    @property
    def cluster_column(self) -> str | None:
        """Nor clusters."""
        return None


def keeps_lines(encoding: str) -> bool:
    """Whether each line is encoded alone and ends as in ASCII; so not in UTF-16 or ISO-2022."""
    return "\n".encode(encoding) == b"\n" and not encoding.startswith(_STATEFUL)


def _kinds_of_statements(query: str) -> tuple[list[str], set[str]]:
    """What each statement of a query is, and all keywords."""
    import sqlparse

    kinds, keywords = [], set()
    for statement in sqlparse.parse(query):
        tokens = [
            token
            for token in statement.flatten()  # type: ignore[no-untyped-call]
            if not token.is_whitespace and token.ttype not in sqlparse.tokens.Comment
        ]
        if any(token.value != ";" for token in tokens):
            kinds.append(statement.get_type())  # type: ignore[no-untyped-call]
            keywords |= {token.normalized for token in tokens if token.is_keyword}
    return kinds, keywords


def _label_text(value: object) -> str:
    """A label of the settings as one of the data.

    Raises:
        ValueError: YAML did not read it as text or a number, or nothing is there.

    """
    if isinstance(value, bool):
        raise ValueError(  # noqa: TRY004 - pydantic gathers these
            f"{value} is no label; YAML reads yes, no, on, off, true and false so: quote the word, "
            "as in 'yes'"
        )
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError(f"{value} is no label; quote it, so that it is read as text")
    try:
        text = value.strip() if isinstance(value, str) else label_text(value)
    except WrongValueError:
        text = ""
    if not text:
        raise ValueError(f"{value!r} is no label; quote it if it is a word, or remove it")
    return text


def one_of_any(schema: dict[str, Any]) -> None:
    """Say anyOf for oneOf: Prefect's classic form shows nothing for the latter."""
    schema["anyOf"] = schema.pop("oneOf")


FilesSource = TableSource | TextFilesSource | AnnotatedSource | RelationsSource | AnnotationsSource
SingleSource = FilesSource | HubSource | SqlSource | FeedbackSource
SourceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")]
# What the rows are from that were taken back in, and so no name of a source.
READMITTED: Final = "readmitted"


class MixedSource(SettingsModel):
    """Several sources, whose training rows are mixed by weight."""

    format: Literal["mixed"] = Field(description="Rows of several sources.")
    sources: dict[
        SourceName,
        Annotated[SingleSource, Field(discriminator="format", json_schema_extra=one_of_any)],
    ] = Field(
        min_length=2,
        description="The sources by name, each as it would stand alone, all with a weight or none. "
        "A line may also say `sources: {...}` in place of `source`.",
    )

    @model_validator(mode="after")
    def _all_are_weighed_or_none(self) -> Self:
        without = [name for name, one in self.sources.items() if one.weight is None]
        if without and len(without) < len(self.sources):
            raise ValueError(
                f"sources {', '.join(sorted(without))} have no weight and others have one; give "
                "each a weight, or none"
            )
        if READMITTED in self.sources:
            raise ValueError(
                f"{READMITTED!r} names the rows that were taken back in; choose another"
            )
        if len({one.unmapped_labels for one in self.sources.values()}) > 1:
            raise ValueError(
                "unmapped_labels differs between the sources, whose labels are one set; let it be "
                "quarantine in all or in none"
            )
        return self

    @property
    def parts(self) -> dict[str, SingleSource]:
        """The sources in the order in which they are read, whatever that of the settings."""
        return dict(sorted(self.sources.items()))

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The group columns of all sources; rows of a source without one have no group of it."""
        return tuple(
            dict.fromkeys(name for one in self.parts.values() for name in one.group_columns)
        )

    @property
    def cluster_column(self) -> str | None:
        """A column that names clusters, where any source has one."""
        return next((one.cluster_column for one in self.parts.values() if one.cluster_column), None)


SourceSettings = Annotated[
    SingleSource | MixedSource,
    Field(discriminator="format", json_schema_extra=one_of_any),
]
