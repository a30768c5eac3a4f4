"""The command line: `paceline run | list | compare`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from federation.errors import BadInput, PacelineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulations.prepare import PlannedRun

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Federated and collaborative learning: simulate it, deploy it, compare what it costs.",
)

BAD_INPUT = 2
FAILED = 1
INTERRUPTED = 130


class Format(StrEnum):
    """How `compare` prints."""

    table = "table"
    csv = "csv"
    markdown = "markdown"
    latex = "latex"
    json = "json"


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="A bundled scenario's name or a .toml file.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a key: --set local.lr=0.05 (repeatable)."),
    ] = None,
    out: Annotated[str | None, typer.Option(help="Folder for the results.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after the last committed round.")
    ] = False,
) -> None:
    """Run a scenario: every run of its sweep, then a comparison."""
    from simulations import prepare

    runs = prepare.plan(scenario, settings or [], out, resume)
    prepare.check_materials(runs)
    failed = _simulate_all(runs)
    base = runs[0].folder.parent if runs[0].name else runs[0].folder
    if len(failed) < len(runs):
        _print_comparison([base], None, Format.table)
    typer.echo(f"results in {base}", err=True)
    if failed:
        again = f"paceline run {scenario} --out {base} --resume"
        typer.echo(f"{len(failed)} of {len(runs)} runs failed: {', '.join(failed)}", err=True)
        typer.echo(f"mend the cause and repeat what is missing with: {again}", err=True)
        raise typer.Exit(FAILED)


def _simulate_all(runs: Sequence[PlannedRun]) -> list[str]:
    """Execute all runs; returns the labels of those that failed."""
    from simulations.executors import ray
    from simulations.launch import simulate

    failed: list[str] = []
    try:
        for one in runs:
            try:
                simulate(one)
            except PacelineError as error:
                failed.append(one.label)
                typer.echo(f"{one.label}: failed: {error}", err=True)
    finally:
        ray.shutdown()
    return failed


@app.command(name="list")
def list_(
    kind: Annotated[str | None, typer.Argument(help="What to list; all kinds if left out.")] = None,
) -> None:
    """List what can be named in a scenario: scenarios, strategies, models, codecs, devices ..."""
    from simulations.catalogue import print_catalogue

    print_catalogue(kind)


@app.command()
def compare(
    folders: Annotated[list[Path], typer.Argument(help="Run folders, or folders that hold some.")],
    to_accuracy: Annotated[
        float | None, typer.Option(help="Also what it took to reach this accuracy, e.g. 0.97.")
    ] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to print.")] = Format.table,
) -> None:
    """Put runs side by side: accuracy, rounds, bytes, seconds."""
    _print_comparison(folders, to_accuracy, format_)


def _print_comparison(folders: list[Path], to_accuracy: float | None, format_: Format) -> None:
    from simulations.compare import compare as compare_runs
    from simulations.compare import render

    typer.echo(render(compare_runs(folders, to_accuracy), format_.value).rstrip("\n"))


def main() -> None:
    """Run the command line; exit code 2 and one line for bad input, 1 if a run failed."""
    try:
        app(standalone_mode=True)
    except BadInput as error:
        print(f"paceline: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except PacelineError as error:
        print(f"paceline: {error}", file=sys.stderr)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        print("paceline: interrupted; go on with the same command and --resume", file=sys.stderr)
        sys.exit(INTERRUPTED)
