"""The command line: `centralized-root-access`, or `python -m centralized_root_access`."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from pathlib import Path

from .base.code import lambda_root

# As ExitCode has them, which is among the imports that may fail.
_NO_RESULT, _INTERRUPTED, _BROKEN_PIPE = 2, 130, 141


def main() -> int:
    """Run the command line, and return its exit code. It never ends in a traceback."""
    _prepare_streams()
    # A pipeline that is canceled, or a timeout, sends SIGTERM. Handled like Ctrl+C, as a
    # KeyboardInterrupt, so that the command can name the run that continues in AWS.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # The commands use the functions' code, which is not a part of this package.
    sys.path.insert(0, str(lambda_root()))
    try:
        from .cli.main import run

        exit_code = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        exit_code = _INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return _BROKEN_PIPE
    except OSError as error:
        # A full disk, for example; perhaps stderr is on it, too.
        with contextlib.suppress(OSError):
            print(
                f"Unable to write the output: {error.strerror or error}.",
                file=sys.stderr,
                flush=True,
            )
        _discard_output()
        return _NO_RESULT
    # Do not wait for threads that still call AWS: they only read.
    sys.stderr.flush()
    os._exit(exit_code)


def _prepare_streams() -> None:
    """Make each standard stream take all that a command writes, or have nothing to read."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Closed by the process that started this one.
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Not every encoding has the characters of an account's name. Python does the same for
        # stderr.
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Send stdout and stderr nowhere, because Python flushes them once more at its exit."""
    for descriptor in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


if __name__ == "__main__":
    sys.exit(main())
