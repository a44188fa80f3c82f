"""Child processes that end with all they started, whatever ends this one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.05
_LOG_LINES_SHOWN = 20
# A server that ends has nothing to save: its files go too.
_SERVICE_GRACE_SECONDS = 0.5


class StartError(Exception):
    """A part of the local AWS did not start. The message names it and shows its log's end."""


class Interrupted(SystemExit):
    """This process was told to end, by Ctrl-C or by a signal."""

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        self.signum = signum


def raise_interrupted_on_signals() -> None:
    """Makes the first Ctrl-C, SIGTERM or SIGHUP raise `Interrupted`; no later one disturbs the clean-up."""

    def interrupt(signum: int, _frame: FrameType | None) -> None:
        for ending in _ENDING_SIGNALS:
            signal.signal(ending, signal.SIG_IGN)
        raise Interrupted(signum)

    for ending in _ENDING_SIGNALS:
        # `nohup` has a program ignore SIGHUP, and so it should.
        if ending != signal.SIGHUP or signal.getsignal(ending) != signal.SIG_IGN:
            signal.signal(ending, interrupt)


class ChildProcess:
    """A program that runs beside this one, in a process group with all that it starts."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def exit_code(self) -> int | None:
        """How the program ended, as a shell tells it, or None while it runs."""
        code = self._process.poll()
        return None if code is None else _as_a_shell_tells(code)

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the program's end.

        Args:
            timeout: The longest wait, in seconds.

        Returns:
            The exit code, as a shell tells it: 128 and the signal's number if a signal ended it.

        Raises:
            TimeoutError: It still runs.
        """
        try:
            return _as_a_shell_tells(self._process.wait(timeout))
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{self._process.args!r} still runs after {timeout} s") from error

    def end(self, *, grace: float, signum: int = signal.SIGTERM) -> None:
        """Ends the program and all that it started, kindly at first.

        Args:
            grace: How many seconds they have before they are killed.
            signum: The signal that asks them to end.
        """
        for asked in (signum, signal.SIGKILL):
            self._signal(asked)
            if self._is_gone_within(grace):
                break
        self._process.wait()

    def _is_gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self._is_gone():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _signal(self, signum: int) -> None:
        # macOS refuses, rather than finding nobody, where only ended processes are left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signum)

    def _is_gone(self) -> bool:
        return self._process.poll() is not None and not _has_members(self._process.pid)


class ForegroundProcess(ChildProcess):
    """A program in this process's own group: the terminal, and its Ctrl-C, reach all that it starts."""

    def _signal(self, signum: int) -> None:
        self._process.send_signal(signum)

    def _is_gone(self) -> bool:
        return self._process.poll() is not None


@contextlib.contextmanager
def child_process(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path | None = None,
    stdin: int | None = subprocess.DEVNULL,
    output: IO[bytes] | None = None,
    grace: float,
) -> Iterator[ChildProcess]:
    """Runs a program in a process group of its own, and leaves nothing of it behind.

    Args:
        command: The program and its arguments.
        environment: All environment variables it has.
        folder: The folder it runs in; by default this process's.
        stdin: What it reads, as `subprocess` says it; by default nothing.
        output: Where all it prints goes; by default where this process prints.
        grace: How many seconds it and what it started have to end before they are killed.

    Raises:
        OSError: The program cannot be started.
    """
    child: ChildProcess | None = None
    try:
        with _signals_held():
            child = ChildProcess(
                subprocess.Popen(
                    command,
                    env=dict(environment),
                    cwd=folder,
                    stdin=stdin,
                    stdout=output,
                    stderr=None if output is None else subprocess.STDOUT,
                    start_new_session=True,
                )
            )
        yield child
    finally:
        if child is not None:
            child.end(grace=grace)


@contextlib.contextmanager
def foreground_process(
    command: Sequence[str], *, environment: Mapping[str, str], grace: float
) -> Iterator[ChildProcess]:
    """Runs a program that shares this process's terminal. From then on Ctrl-C is for that program alone.

    Args:
        command: The program and its arguments.
        environment: All environment variables it has.
        grace: How many seconds it has to end before it is killed.

    Raises:
        OSError: The program cannot be started.
    """
    child: ForegroundProcess | None = None
    try:
        with _signals_held():
            child = ForegroundProcess(subprocess.Popen(command, env=dict(environment)))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        yield child
    finally:
        if child is not None:
            child.end(grace=grace)


@dataclass(frozen=True, kw_only=True)
class Service:
    """A server for the time that this process needs it.

    Attributes:
        name: What people call it.
        command: The program and its arguments.
        environment: All environment variables it has.
        folder: The folder it runs in.
        health_url: The address that answers once the server is up.
        log: The file for what it prints.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    health_url: str
    log: Path


@contextlib.contextmanager
def running_services(services: Sequence[Service], *, start_within: float) -> Iterator[None]:
    """Runs servers side by side, from the moment that all of them answer.

    Args:
        services: The servers.
        start_within: How many seconds each is waited for.

    Raises:
        StartError: One cannot be started, ended at once, or does not answer in time.
    """
    with contextlib.ExitStack() as stack:
        started = [(service, stack.enter_context(_started(service))) for service in services]
        for service, child in started:
            _wait_until_healthy(service, child, start_within)
        yield


@contextlib.contextmanager
def _started(service: Service) -> Iterator[ChildProcess]:
    with service.log.open("wb") as log, contextlib.ExitStack() as stack:
        try:
            child = stack.enter_context(
                child_process(
                    service.command,
                    environment=service.environment,
                    folder=service.folder,
                    output=log,
                    grace=_SERVICE_GRACE_SECONDS,
                )
            )
        except OSError as error:
            raise StartError(f"{service.name} did not start: {error}.") from error
        yield child


def _wait_until_healthy(service: Service, child: ChildProcess, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not _answers(service.health_url):
        if child.exit_code is not None:
            reason = f"it ended with exit code {child.exit_code}"
        elif time.monotonic() > deadline:
            reason = f"no answer from {service.health_url} in {seconds:g} s"
        else:
            time.sleep(_POLL_SECONDS)
            continue
        raise StartError(f"{service.name} did not start: {reason}.\n{_end_of(service.log)}")


def _answers(url: str) -> bool:
    # A proxy that the user has set must not come between.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=1.0) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _end_of(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    shown = lines[-_LOG_LINES_SHOWN:] or ["(empty)"]
    return "\n".join(["The end of its log:", *(f"  {line}" for line in shown)])


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Puts off what a signal raises until the end: in between, it would lose a process just started."""
    if threading.current_thread() is not threading.main_thread():
        # Python handles signals in the main thread only.
        yield
        return
    held: list[int] = []
    previous = {
        ending: signal.signal(ending, lambda signum, _frame: held.append(signum))
        for ending in _ENDING_SIGNALS
    }
    try:
        yield
    finally:
        for ending, handler in previous.items():
            signal.signal(ending, handler)
        for signum in held:
            signal.raise_signal(signum)


def _has_members(group: int) -> bool:
    """Whether a process of the group still runs. One that has ended may wait for init for seconds."""
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def _as_a_shell_tells(code: int) -> int:
    return 128 - code if code < 0 else code
