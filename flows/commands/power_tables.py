"""With what probability the gates of a line pass, on the console."""

from collections.abc import Sequence

from flows.commands import console
from tasks.records.power import GatePower, PowerForecast


def show_power(power: Sequence[GatePower]) -> None:
    """Print the power of each gate; nothing where none was worked out."""
    if not power:
        return
    from tasks.reporting.power import POWER_HEADS, power_table

    console.say()
    console.say("with what probability each gate passes, when as many rows are drawn anew:")
    console.show_table(POWER_HEADS, [row.cells for row in power_table(power)])


def show_forecast(forecast: PowerForecast | None) -> None:
    """Print what the gates can decide before training: warnings, the table and what it rests on."""
    if forecast is None:
        return
    show_power(forecast.power)
    for assumed in forecast.assumptions:
        console.say(f"taken for granted: {assumed}", "quiet")
    for warning in forecast.warnings:
        console.say(warning, "bad")
