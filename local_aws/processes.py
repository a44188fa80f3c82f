"""Child processes that terminate with all their descendants, however this process ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

_TERMINATION_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.05
_COMMAND_NOT_FOUND = 127
_COMMAND_GRACE_SECONDS = 10.0
_MAX_LOG_LINES = 20
# A server has nothing to save, because its files are deleted as well.
_SERVICE_GRACE_SECONDS = 0.5


class StartError(Exception):
    """A part of the local AWS did not start. The message has its name and the end of its log."""


class Interrupted(SystemExit):
    """This process received Ctrl-C or a termination signal."""

    def __init__(self, signum: int) -> None:
        super().__init__(128 + signum)
        self.signum = signum


def raise_interrupted_on_signals() -> None:
    """Raise `Interrupted` at the first Ctrl-C, SIGTERM or SIGHUP; ignore later ones."""

    def interrupt(signum: int, _frame: FrameType | None) -> None:
        """Raise `Interrupted`, once."""
        for number in _TERMINATION_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise Interrupted(signum)

    for number in _TERMINATION_SIGNALS:
        # A program that `nohup` started keeps ignoring SIGHUP.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


class ChildProcess:
    """A program, and unless it shares this process's group, all processes that it starts."""

    def __init__(self, process: subprocess.Popen[bytes], *, shares_group: bool) -> None:
        self._process = process
        self._shares_group = shares_group

    @property
    def exit_code(self) -> int | None:
        """The program's exit code as in a shell, or None while it runs."""
        code = self._process.poll()
        return None if code is None else _shell_exit_code(code)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the program has exited.

        Args:
            timeout: The time limit in seconds.

        Returns:
            The exit code as in a shell: 128 plus the signal's number if a signal terminated it.

        Raises:
            TimeoutError: The program is still running.
        """
        try:
            return _shell_exit_code(self._process.wait(timeout))
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(
                f"{self._process.args!r} is still running after {timeout} s"
            ) from error

    def terminate(self, *, grace: float, signum: int = signal.SIGTERM) -> None:
        """Terminate the program and all processes of its own group.

        Args:
            grace: How many seconds they have before they are killed.
            signum: The signal that requests termination.
        """
        for number in (signum, signal.SIGKILL):
            self._send_signal(number)
            if self._exits_within(grace):
                break
        self._process.wait()

    def _exits_within(self, seconds: float) -> bool:
        """Return whether everything exits within some seconds."""
        deadline = time.monotonic() + seconds
        while not self._has_exited():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    def _send_signal(self, signum: int) -> None:
        """Send a signal to the program and its group, unless they share this process's group."""
        if self._shares_group:
            self._process.send_signal(signum)
            return
        # On macOS it is a PermissionError if only zombies are left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signum)

    def _has_exited(self) -> bool:
        """Return whether the program has exited, and all of its own group."""
        has_exited = self._process.poll() is not None
        return has_exited and (self._shares_group or not _is_group_running(self._process.pid))


@contextlib.contextmanager
def child_process(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path | None = None,
    stdin: int | None = subprocess.DEVNULL,
    output: IO[bytes] | None = None,
    grace: float,
    foreground: bool = False,
) -> Iterator[ChildProcess]:
    """Run a program, in its own process group unless in the foreground; terminate it at the end.

    Args:
        command: The program and its arguments.
        environment: All of its environment variables.
        folder: Its working directory; default: this process's.
        stdin: Its standard input, as for `subprocess`; default: none.
        output: The file for its output; default: this process's output.
        grace: How many seconds the group has to exit before it is killed.
        foreground: Whether it shares this process's terminal. From then on only the program gets
            Ctrl-C.

    Raises:
        OSError: The program cannot be started.
    """
    child: ChildProcess | None = None
    try:
        # There is no moment at which Ctrl-C would also end this process: the program may already
        # wait for it.
        with _defer_signals(afterwards_ignored=frozenset({signal.SIGINT} if foreground else ())):
            child = ChildProcess(
                subprocess.Popen(
                    command,
                    env=dict(environment),
                    cwd=folder,
                    stdin=stdin,
                    stdout=output,
                    stderr=None if output is None else subprocess.STDOUT,
                    start_new_session=not foreground,
                ),
                shares_group=foreground,
            )
        yield child
    finally:
        if child is not None:
            child.terminate(grace=grace)


def run_command(command: Sequence[str], *, environment: Mapping[str, str]) -> int:
    """Run a caller's command, pass on what ends this process, and return the command's exit code.

    Args:
        command: The program and its arguments.
        environment: Its environment variables.
    """
    try:
        with child_process(
            command,
            environment=environment,
            stdin=None,
            grace=_COMMAND_GRACE_SECONDS,
            foreground=os.isatty(0),
        ) as child:
            try:
                return child.wait()
            except Interrupted as interruption:
                child.terminate(grace=_COMMAND_GRACE_SECONDS, signum=interruption.signum)
                return child.wait()
    except OSError as error:
        print(f"{command[0]} did not start: {error.strerror}.", file=sys.stderr)
        return _COMMAND_NOT_FOUND


@dataclass(frozen=True, kw_only=True)
class Service:
    """A server that runs as long as this process needs it.

    Attributes:
        name: Its name in messages.
        command: The program and its arguments.
        environment: All of its environment variables.
        folder: Its working directory.
        health_url: The address that responds once the server is up.
        log: The file for its output.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    health_url: str
    log: Path


@contextlib.contextmanager
def running_services(services: Sequence[Service], *, start_within: float) -> Iterator[None]:
    """Start servers in parallel, wait until all of them respond, and terminate them at the end.

    Args:
        services: The servers.
        start_within: How many seconds to wait for each.

    Raises:
        StartError: One cannot be started, exits at once, or does not respond in time.
    """
    with contextlib.ExitStack() as stack:
        children = []
        for service in services:
            log = stack.enter_context(service.log.open("wb"))
            process = child_process(
                service.command,
                environment=service.environment,
                folder=service.folder,
                output=log,
                grace=_SERVICE_GRACE_SECONDS,
            )
            try:
                children.append((service, stack.enter_context(process)))
            except OSError as error:
                raise StartError(f"{service.name} did not start: {error}.") from error
        for service, child in children:
            _wait_until_healthy(service, child, start_within)
        yield


def _wait_until_healthy(service: Service, child: ChildProcess, seconds: float) -> None:
    """Wait until a server responds; raise if it exits or takes too long."""
    deadline = time.monotonic() + seconds
    while not _is_healthy(service.health_url):
        if child.exit_code is not None:
            reason = f"it exited with code {child.exit_code}"
        elif time.monotonic() > deadline:
            reason = f"no response from {service.health_url} in {seconds:g} s"
        else:
            time.sleep(_POLL_SECONDS)
            continue
        raise StartError(f"{service.name} did not start: {reason}.\n{_log_tail(service.log)}")


def _is_healthy(url: str) -> bool:
    """Return whether a server responds with success."""
    # The user's proxies must not apply.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=1.0) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _log_tail(log: Path) -> str:
    """Return the last lines of a log, for a message."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    tail = lines[-_MAX_LOG_LINES:] or ["(empty)"]
    return "\n".join(["The end of its log:", *(f"  {line}" for line in tail)])


@contextlib.contextmanager
def _defer_signals(*, afterwards_ignored: frozenset[signal.Signals]) -> Iterator[None]:
    """Defer signals to the end of the context: a process that was just started is not lost.

    Args:
        afterwards_ignored: The signals to ignore from then on.
    """
    if threading.current_thread() is not threading.main_thread():
        # Python handles signals in the main thread only.
        yield
        return
    deferred: list[int] = []
    previous = {
        number: signal.signal(number, lambda signum, _frame: deferred.append(signum))
        for number in _TERMINATION_SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, signal.SIG_IGN if number in afterwards_ignored else handler)
        for signum in deferred:
            signal.raise_signal(signum)


def _is_group_running(group: int) -> bool:
    """Return whether a process of the group is running; a zombie may wait for init for seconds."""
    for process in psutil.process_iter():
        with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def _shell_exit_code(code: int) -> int:
    """Return a code of `subprocess` as a shell has it: 130 for -2, the signal SIGINT."""
    return 128 - code if code < 0 else code
