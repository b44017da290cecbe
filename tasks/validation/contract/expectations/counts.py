"""Expectations of counts and shares, over the frame of `contract.counts.Counts`."""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, Literal

from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

from tasks.validation.contract.counts import LABEL
from tasks.validation.contract.expectations.lengths import describe_bounds
from tasks.validation.contract.expectations.rendering import CountsRule
from tasks.validation.contract.messages import excerpt, plain_form, tell_apart

Measure = Literal["rows", "share"]
# What is observed names at most this many figures.
_NAMED: Final = 10


class TableCounts(TableMetricProvider):  # type: ignore[misc]
    """The figures of one kind, by name."""

    metric_name = "table.assayline.figures"
    value_keys = ("kind", "measure")

    @metric_value(engine=PandasExecutionEngine)  # type: ignore[untyped-decorator]
    def _pandas(
        cls,  # noqa: N805
        execution_engine: Any,
        metric_domain_kwargs: dict[str, Any],
        metric_value_kwargs: dict[str, Any],
        **_: Any,
    ) -> dict[str, float]:
        frame = execution_engine.get_domain_records(domain_kwargs=metric_domain_kwargs)
        of_kind = frame[frame["kind"] == metric_value_kwargs["kind"]]
        values = of_kind[metric_value_kwargs["measure"]]
        return dict(zip(of_kind["name"].tolist(), values.tolist(), strict=True))


class _CountsOfKind(CountsRule):
    """What the rules share.

    Args:
        kind: of the figures that are judged.
        measure: which of their numbers.

    """

    kind: str
    measure: Measure = "rows"

    metric_dependencies = ("table.assayline.figures",)
    success_keys: Any = ("kind", "measure")
    args_keys: Any = ("kind",)

    @classmethod
    def is_abstract(cls) -> bool:
        """Whether this is no rule yet."""
        return cls.__name__.startswith("_")

    def _validate(
        self,
        metrics: Mapping[str, Any],
        runtime_configuration: Any = None,  # noqa: ARG002 - the signature of the base
        execution_engine: Any = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        passed, observed = self._judge(metrics["table.assayline.figures"])
        return {"success": passed, "result": {"observed_value": observed}}

    def _judge(self, figures: Mapping[str, float]) -> tuple[bool, str]:
        """Whether the figures keep the rule, and what was seen."""
        raise NotImplementedError


class ExpectCountsToBeBetween(_CountsOfKind):
    """RowCounts lie between bounds, which are admitted themselves.

    Args:
        subject: what the figures count, in words.
        names: those of the kind that are judged; None: all.
        min_value: least number or share; None: none.
        max_value: greatest number or share; None: none.

    """

    subject: str
    names: list[str] | None = None
    min_value: float | None = None
    max_value: float | None = None

    success_keys = ("kind", "measure", "subject", "names", "min_value", "max_value")

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        low, high = kwargs.get("min_value"), kwargs.get("max_value")
        if kwargs.get("measure") == "share":
            return f"{kwargs['subject']}: {low or 0:.4g} to {1 if high is None else high:.4g}"
        return f"{kwargs['subject']}: {describe_bounds(low, high)}"

    def _judge(self, figures: Mapping[str, float]) -> tuple[bool, str]:
        low = -math.inf if self.min_value is None else self.min_value
        high = math.inf if self.max_value is None else self.max_value
        judged = {name: figures.get(name, 0) for name in self.names or figures}
        outside = {name: value for name, value in judged.items() if not low <= value <= high}
        if not self.kind.startswith(LABEL):
            return not outside, ", ".join(map(self._write, judged.values()))
        if not outside:
            least, most = min(judged.values(), default=0), max(judged.values(), default=0)
            return True, f"{self._write(least)} to {self._write(most)}"
        worst = sorted(outside, key=lambda name: (outside[name], name))
        told = ", ".join(f"{excerpt(one)} {self._write(outside[one])}" for one in worst[:_NAMED])
        return False, told + (f" and {len(worst) - _NAMED} more" if len(worst) > _NAMED else "")

    def _write(self, value: float) -> str:
        return f"{value:.4g}" if self.measure == "share" else f"{int(value):,}"


class ExpectCountsToMatch(_CountsOfKind):
    """There is a figure of the kind for each of these names and for no other.

    Args:
        names: all of them.

    """

    names: list[str]

    success_keys = ("kind", "names")

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        return f"{kwargs['kind']}s are {', '.join(kwargs['names'])}"

    def _judge(self, figures: Mapping[str, float]) -> tuple[bool, str]:
        missing = [name for name in self.names if name not in figures]
        strange = [name for name in figures if name not in self.names]
        told = [
            f"{how} {', '.join(names)}"
            for how, names in (("without", missing), ("with", strange))
            if names
        ]
        return not told, " and ".join(told) or ", ".join(figures)


class ExpectCountsToDifferInSpelling(_CountsOfKind):
    """No two names of the kind differ alone in what a person overlooks, as `plain_form` has it."""

    @classmethod
    def sentence(cls, kwargs: Mapping[str, Any]) -> str:
        """The rule in words."""
        return f"no two {kwargs['kind']}s differ in case, spacing or invisible characters alone"

    def _judge(self, figures: Mapping[str, float]) -> tuple[bool, str]:
        by_form: defaultdict[str, list[str]] = defaultdict(list)
        for name in figures:
            by_form[plain_form(name)].append(name)
        alike = [names for names in by_form.values() if len(names) > 1]
        told = "; ".join(map(tell_apart, alike[:_NAMED]))
        return not alike, told or f"{len(figures):,} {self.kind}s"
