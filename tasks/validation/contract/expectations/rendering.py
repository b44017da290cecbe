"""What our own expectations share: how Data Docs tell the rule, and what a failing value lacks."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from great_expectations.expectations.expectation import (
    BatchExpectation,
    ColumnMapExpectation,
    MulticolumnMapExpectation,
)
from great_expectations.render import (
    LegacyDiagnosticRendererType,
    LegacyRendererType,
    RenderedStringTemplateContent,
    RenderedTableContent,
)
from great_expectations.render.renderer.renderer import renderer

_FAULTS_SHOWN: Final = 20


class Told:
    """An expectation whose rule and faults are sentences.

    A sentence on a fault holds no text of a row, so that no message and no page shows one.
    """

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        raise NotImplementedError

    @classmethod
    def fault(cls, kwargs: Mapping[str, Any], value: Any) -> str:
        """What a failing value lacks; of several columns, the value is a dict by column."""
        raise NotImplementedError

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)  # type: ignore[untyped-decorator]
    def _prescriptive_renderer(
        cls,
        configuration: Any = None,
        result: Any = None,
        runtime_configuration: Any = None,  # noqa: ARG003 - the renderers' signature
        **_: Any,
    ) -> list[Any]:
        configuration = configuration or result.expectation_config
        return [_as_written(cls.sentence(configuration.kwargs))]

    @classmethod
    def _prescriptive_template(cls, renderer_configuration: Any) -> Any:
        told = cls.sentence(renderer_configuration.kwargs)
        renderer_configuration.template_str = told.replace("$", "$$")
        return renderer_configuration

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.UNEXPECTED_TABLE)  # type: ignore[untyped-decorator]
    def _diagnostic_unexpected_table_renderer(
        cls,
        configuration: Any = None,  # noqa: ARG003 - the renderers' signature
        result: Any = None,
        runtime_configuration: Any = None,  # noqa: ARG003
        **_: Any,
    ) -> list[Any] | None:
        seen = (result.result or {}).get("partial_unexpected_list") if result else None
        if not seen:
            by_base: list[Any] | None = super()._diagnostic_unexpected_table_renderer(  # type: ignore[misc]
                result=result
            )
            return by_base
        kwargs = result.expectation_config.kwargs
        faults = dict.fromkeys(cls.fault(kwargs, value) for value in seen[:_FAULTS_SHOWN])
        table = RenderedTableContent(
            content_block_type="table",
            table=[[_as_written(fault)] for fault in faults],
            header_row=["Some of the faults"],
            styling={"body": {"classes": ["table-bordered", "table-sm", "mt-3"]}},
        )
        return [table]


def _as_written(text: str) -> RenderedStringTemplateContent:
    """Text in which a dollar sign is only that."""
    return RenderedStringTemplateContent(
        content_block_type="string_template",
        string_template={"template": "$told", "params": {"told": text}},
    )


class ColumnRule(Told, ColumnMapExpectation):  # type: ignore[misc]
    """A rule for each value of one column. A missing value keeps it."""

    library_metadata: ClassVar[dict[str, Any]] = {"tags": ["assayline"], "maturity": "production"}
    _library_metadata: ClassVar[dict[str, Any]] = library_metadata


class ColumnsRule(Told, MulticolumnMapExpectation):  # type: ignore[misc]
    """A rule for each row over several columns."""

    library_metadata: ClassVar[dict[str, Any]] = {"tags": ["assayline"], "maturity": "production"}
    _library_metadata: ClassVar[dict[str, Any]] = library_metadata


class CountsRule(Told, BatchExpectation):  # type: ignore[misc]
    """A rule over the frame of `tasks.validation.contract.counts.RowCounts`."""

    library_metadata: ClassVar[dict[str, Any]] = {"tags": ["assayline"], "maturity": "production"}
    _library_metadata: ClassVar[dict[str, Any]] = library_metadata
