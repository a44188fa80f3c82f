"""The folder of each local AWS: its lock is held while it runs, and what a killed one left is removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "local-aws-"
# Until its lock is held: a folder by the other prefix without a held lock is one of a killed run.
_STARTING_PREFIX = "starting-local-aws-"
_LOCK = "lock"
_UP = "up"
_POLL_SECONDS = 0.05
_END_SECONDS = 15.0
# The variables that put the files of the servers and of the functions, and the CDK CLI's, into the folder.
_FOLDER_VARIABLES = ("HOME", "TMPDIR")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A local AWS that somebody started by `up`, and that `down` can end.

    Attributes:
        folder: Its folder.
        process_id: The process that ends it at SIGTERM.
    """

    folder: Path
    process_id: int


@contextlib.contextmanager
def run_folder() -> Iterator[Path]:
    """Create the folder of a run, hold its lock, and delete the folder at the end."""
    starting = Path(tempfile.mkdtemp(prefix=_STARTING_PREFIX))
    folder = starting.with_name(_PREFIX + starting.name.removeprefix(_STARTING_PREFIX))
    with (starting / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        starting.rename(folder)
        try:
            yield folder
        finally:
            _delete(folder)


def record_up(folder: Path) -> None:
    """Let `down` find a run.

    Args:
        folder: The folder of a run of this process.
    """
    (folder / _UP).write_text(str(os.getpid()), encoding="utf-8")


def find_runs_up() -> tuple[Run, ...]:
    """Return the runs of this user that `down` can end."""
    return tuple(
        Run(folder=folder, process_id=int((folder / _UP).read_text(encoding="utf-8")))
        for folder in _folders()
        if (folder / _UP).exists() and _is_locked(folder)
    )


def end_run(run: Run) -> None:
    """End a run and wait until nothing of it is left.

    Args:
        run: The run.

    Raises:
        TimeoutError: It has not ended.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(run.process_id, signal.SIGTERM)
    deadline = time.monotonic() + _END_SECONDS
    while run.folder.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"Process {run.process_id}, the local AWS, has not ended in {_END_SECONDS:g} s."
            )
        time.sleep(_POLL_SECONDS)


def remove_killed_runs() -> None:
    """Kill the servers and delete the folders of this user's runs that were killed themselves."""
    for folder in _folders():
        with contextlib.suppress(FileNotFoundError), (folder / _LOCK).open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            while processes := _processes_of(folder):
                for process in processes:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                psutil.wait_procs(processes, timeout=_END_SECONDS)
            _delete(folder)


def _folders() -> list[Path]:
    folders = []
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            if folder.is_dir() and folder.stat().st_uid == os.getuid():
                folders.append(folder)
    return folders


def _is_locked(folder: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), (folder / _LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _processes_of(folder: Path) -> list[psutil.Process]:
    """Return the running processes whose files are in a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            if process.status() != psutil.STATUS_ZOMBIE and any(
                Path(environment.get(name, "/")).is_relative_to(folder) for name in _FOLDER_VARIABLES
            ):
                found.append(process)
    return found


def _delete(folder: Path) -> None:
    # What a function just started may still write there.
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_POLL_SECONDS)
    shutil.rmtree(folder)
