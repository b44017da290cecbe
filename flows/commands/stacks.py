"""What `assayline up` says of stacks that run already."""

from pathlib import Path

from flows.commands import console
from infra.running_stacks import RunningStack, running_stacks


def say_what_runs(home: Path, project: Path) -> None:
    """Say that this stack runs, or that others of this project do beside it."""
    for stack in running_stacks(project.absolute()):
        if stack.home == home:
            console.say(
                f"the stack in {home} runs, {_since(stack)}: what is up is left as it is "
                "(--home FOLDER starts another)"
            )
        else:
            console.say(
                f"beside this one runs the stack in {stack.home}, {_since(stack)} (`assayline down "
                f"--home {stack.home}` stops it)"
            )


def _since(stack: RunningStack) -> str:
    return f"since {stack.since.astimezone():%Y-%m-%d %H:%M}"
