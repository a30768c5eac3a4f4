"""Executes the runs of a scenario one after another; one that fails does not stop the others."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

from federation.errors import FolderError, PacelineError, RunError
from federation.results import durable
from federation.results.folder import RunFolder
from simulations.destinations import PlannedRun
from simulations.executors import ray_cluster
from simulations.prepare import check_materials

Tell = Callable[[str], None]


def check(runs: Sequence[PlannedRun]) -> None:
    """Look at data and models before anything runs; where Ray is needed it starts meanwhile.

    Raises BadInput. What keeps Ray from starting is told by the run that needs it.
    """
    wanted = [run.scenario.engine for run in runs if run.scenario.engine.backend == "ray"]
    if not wanted or all(_is_finished(run) for run in runs):
        check_materials(runs)
        return
    with ThreadPoolExecutor(1) as beside:
        checking = beside.submit(check_materials, runs)
        with suppress(RunError):
            ray_cluster.connect(max(one.workers for one in wanted), wanted[0].address)
    if checking.exception() is not None:
        shutdown()
    checking.result()


def execute(runs: Sequence[PlannedRun], tell: Tell) -> list[str]:
    """Execute what is not finished yet; returns the labels of the runs that failed.

    A failed run keeps the reason in its folder. Raises FolderError where the folder cannot be
    written or another process has it; then nothing was started.
    """
    failed: list[str] = []
    with _alone(runs):
        for number, run in enumerate(runs, start=1):
            finished = _is_finished(run)
            if len(runs) > 1 or finished:
                ending = ": finished already" if finished else ""
                tell(f"[{number}/{len(runs)}] {run.label}{ending}")
            reason = None if finished else _attempt(run)
            if reason is not None:
                failed.append(run.label)
                tell(f"{run.label}: failed: {reason}")
    return failed


def shutdown() -> None:
    """Stop what runs beside this process."""
    ray_cluster.shutdown()


@contextmanager
def _alone(runs: Sequence[PlannedRun]) -> Iterator[None]:
    """Hold the folder of a sweep, and make sure that nobody has one of the runs in it."""
    base = runs[0].base
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderError(
            f"cannot create {base}: {durable.cause(error)}; choose another --out"
        ) from None
    with ExitStack() as held:
        if runs[0].name:
            held.enter_context(RunFolder(base).lock())
        for run in runs:
            if run.folder.exists():
                with RunFolder(run.folder).lock():
                    pass
        yield


def _is_finished(run: PlannedRun) -> bool:
    try:
        return RunFolder(run.folder).is_finished()
    except FolderError:  # executing it says what is wrong
        return False


def _attempt(run: PlannedRun) -> str | None:
    """Why the run failed, in one line; None where it did not."""
    from simulations.launch import simulate  # torch: while Ray starts, if it does

    folder = RunFolder(run.folder)
    try:
        simulate(run)
    except PacelineError as error:
        _keep(folder, str(error), error)
        return str(error)
    except Exception as error:  # noqa: BLE001 - a user's model may fail in any way
        text = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
        _keep(folder, reason, error)
        return f"{reason} (traceback in {folder.failed_path})"
    return None


def _keep(folder: RunFolder, reason: str, error: Exception) -> None:
    """Write down why the run failed, also where it did so before its store was opened."""
    if not folder.scenario_path.exists():
        return
    text = f"{' '.join(reason.split())}\n\n{''.join(traceback.format_exception(error))}"
    # A full disk, or another driver, must not hide the error.
    with suppress(OSError, FolderError), folder.lock():
        durable.write(folder.failed_path, text.encode())
