"""With what probability the gates of a line pass, on the console."""

from collections.abc import Collection, Sequence

from flows.commands import console
from tasks.records.power import GatePower, PowerForecast


def show_power(power: Sequence[GatePower], *, said_below: Collection[str] = ()) -> None:
    """Print the power of each gate; nothing where none was worked out.

    Args:
        power: of the gates.
        said_below: metrics of which a warning says why their power cannot be told.

    """
    if not power:
        return
    from tasks.reporting.power import POWER_HEADS, power_table

    console.say()
    console.say("with what probability each gate passes, when as many rows are drawn anew:")
    rows = power_table(power)
    console.show_table(POWER_HEADS, [row.short_cells for row in rows])
    for row in rows:
        if row.reason and row.metric not in said_below:
            console.say(f"{row.metric} cannot be told: {row.reason}", "quiet")


def show_forecast(forecast: PowerForecast | None) -> None:
    """Print what the gates can decide before training: warnings, the table and what it rests on."""
    if forecast is None:
        return
    warned = {warning.partition(" (")[0] for warning in forecast.warnings}
    show_power(forecast.power, said_below=warned)
    for assumed in forecast.assumptions:
        console.say(f"taken for granted: {assumed}", "quiet")
    for warning in forecast.warnings:
        console.say(warning, "bad")
    for note in forecast.notes:
        console.say(note, "bad" if "not gated" in note else "quiet")
