"""The command `assayline verify`: everything of a line is read back and compared."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from flows.commands import console
from flows.commands.line_commands import EXIT_ERROR, AsJson
from infra.settings import load_settings

if TYPE_CHECKING:
    from infra.signed_results import ResultsCheck
    from tasks.registry.verification import Verification


def verify(line: str, *, as_json: AsJson = False) -> int:
    """Read back every version, the ledger and all kept results of a line, and compare them.

    A version's files are held against its manifest, and the manifest's digest against the ledger.
    Exit code 0: all is as it was written; 1: something is not, or an error.

    Args:
        line: the model line.
    """
    from infra.signed_results import KeptResults, check_results
    from infra.store import ObjectStore
    from infra.tracking import Tracking
    from tasks.registry.verification import verify_line

    settings = load_settings()
    found = verify_line(line, ObjectStore(settings), Tracking(settings), _progress)
    _progress("the kept results of all lines")
    results = check_results(KeptResults(settings))
    is_well = found.is_well and not results.wrong
    if as_json:
        versions = [{**asdict(check), "well": check.is_well} for check in found.versions]
        shown = {**asdict(found), "versions": versions, "results": asdict(results), "well": is_well}
        console.show_json(shown)
    else:
        _show(found, results)
    return 0 if is_well else EXIT_ERROR


def _progress(what: str) -> None:
    sys.stderr.write(f"reading {what}\n")


def _show(found: "Verification", results: "ResultsCheck") -> None:
    console.show_table(
        ("version", "aliases", "files"),
        [(f"v{c.version}", ", ".join(c.aliases) or "-", c.state) for c in found.versions],
    )
    for check in found.versions:
        for fault in check.faults:
            console.say(f"v{check.version}: {fault}", "bad")
        if check.state == "no manifest":
            style: console.Style = "quiet" if check.is_well else "bad"
            console.say(
                f"v{check.version}: registered before there were manifests, so nothing shows "
                "whether its files are those that were proven",
                style,
            )
    for fault in found.ledger_faults:
        console.say(fault, "bad")
    if not found.ledger_faults:
        console.say(f"the ledger's {found.entries} entries are as they were written", "good")
    for fault in results.wrong:
        console.say(fault, "bad")
    if not results.wrong:
        unsigned = f"; {results.unsigned} of an earlier release are not used" * bool(
            results.unsigned
        )
        console.say(f"{results.signed} kept results are signed by this stack{unsigned}", "good")
