"""The folder of each local AWS: locked while it runs, and removed later if it was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

_PREFIX = "local-aws-"
# Until its lock is held: a folder by the other prefix without a held lock is one of a killed run.
_STARTING_PREFIX = "starting-local-aws-"
_LOCK = "lock"
_POLL_SECONDS = 0.05
_END_SECONDS = 15.0
# The variables that put the files of the servers and of the functions, and the CDK CLI's, into the
# folder.
_FOLDER_VARIABLES = ("HOME", "TMPDIR")


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
            _delete_folder(folder)


def remove_killed_runs() -> None:
    """Kill the servers and delete the folders of this user's runs that were killed themselves."""
    for folder in _own_run_folders():
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
            _delete_folder(folder)


def _own_run_folders() -> list[Path]:
    """Return the folders of this user's runs, whether they still run or not."""
    folders = []
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            if folder.is_dir() and folder.stat().st_uid == os.getuid():
                folders.append(folder)
    return folders


def _processes_of(folder: Path) -> list[psutil.Process]:
    """Return the running processes whose files are in a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            if process.status() != psutil.STATUS_ZOMBIE and any(
                Path(environment.get(name, "/")).is_relative_to(folder)
                for name in _FOLDER_VARIABLES
            ):
                found.append(process)
    return found


def _delete_folder(folder: Path) -> None:
    """Delete a folder, although something may still write there for a moment."""
    # A function that has just started may still write there.
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_POLL_SECONDS)
    shutil.rmtree(folder)
