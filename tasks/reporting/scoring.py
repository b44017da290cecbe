"""What a scoring run came to, as a person reads it."""

from tasks.records.scoring import ScoringRun
from tasks.reporting.number_format import count
from tasks.reporting.summaries import markdown_table, plain

OBJECTS_SHOWN = 100


def scoring_sentences(run: ScoringRun) -> tuple[str, ...]:
    """What was scored by which version, and what a reader must know of it."""
    aside = f", and {count(run.rows_put_aside)} were put aside" if run.rows_put_aside else ""
    scored = f"{count(run.rows)} rows of {count(len(run.objects))} object(s){aside}"
    said = [f"version {run.version} of {run.line} has scored {scored}"]
    if run.found:
        said.append(
            f"{count(run.found)} object(s) had been scored by it before, so nothing was done for "
            "them"
        )
    if run.in_production != run.version:
        now = "no version" if run.in_production is None else f"version {run.in_production}"
        said.append(
            f"production moved while this run went on: all of its rows are scored by version "
            f"{run.version}, which was there when it began, and {now} is there now; run it again "
            "for scores of that one"
        )
    return tuple(said)


def scoring_markdown(run: ScoringRun) -> str:
    """The sentences, and a table of the objects."""
    rows = [
        (
            one.input_uri, count(one.rows), count(one.rows_put_aside),
            ", ".join(f"{reason}: {count(n)}" for reason, n in one.put_aside_by_reason.items()),
            str(len(one.predictions)), one.key[:12], one.scored_at,
        )
        for one in run.objects[:OBJECTS_SHOWN]
    ]  # fmt: skip
    heads = ("object", "rows", "put aside", "why", "predictions", "key", "scored at")
    more = len(run.objects) - len(rows)
    said = [
        *scoring_sentences(run),
        *([f"{count(more)} more objects are not shown"] if more else []),
    ]
    return "\n\n".join([*(plain(one) for one in said), markdown_table(heads, rows)])
