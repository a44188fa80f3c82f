"""The group of the commands, and where each ends: with an exit code, never a traceback."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from common.clock import Clock
from common.untrusted import printable

from .base.command_errors import ExitCode, InterruptedRunError, error_sentence
from .base.options import example
from .base.terminal import PROGRAM
from .commands.audit import audit
from .commands.execute import execute
from .commands.plan import plan
from .commands.preflight import preflight
from .commands.report import report
from .commands.runs import runs
from .commands.status import status
from .commands.stop import stop


class _Cycle(click.Group):
    """The commands, in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of the commands in the order of their use: click would sort them."""
        return list(self.commands)


@click.group(
    cls=_Cycle,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=example("audit --from-here"),
)
@click.version_option(package_name=PROGRAM, prog_name=PROGRAM)
def main() -> None:
    """Centralized root access for an AWS organization.

    \b
    One cycle:   audit -> plan delete -> execute -> audit
    Before it:   status, preflight; `audit --from-here` needs no deployment

    Exit codes: 0 as wanted, 1 not as wanted, 2 no result or wrong usage, 130 interrupted.
    """  # noqa: D301


for _command in (status, preflight, audit, plan, execute, report, runs, stop):
    main.add_command(_command)


def run(arguments: Sequence[str], *, clock: Clock | None = None) -> int:
    """Run a command, and return its exit code.

    Args:
        arguments: The command line, without the program's name.
        clock: The time, and the random numbers. Default: the system's.
    """
    stdout = sys.stdout
    try:
        result = main.main(
            args=list(arguments), prog_name=PROGRAM, standalone_mode=False, obj=clock or Clock()
        )
    except click.Abort as error:
        # The second Ctrl-C must not cut off the sentence about the first; only the main thread gets
        # it.
        with suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stdout.flush()
        if isinstance(error, InterruptedRunError):
            click.echo(f"\n{printable(str(error))}", err=True)
        return ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return ExitCode.NO_RESULT
    except SystemExit as error:
        # If the pipe is closed, click and rich end the process with exit code 1, which would mean
        # that something is not as wanted. click has replaced stdout then: that is the sign of it.
        if sys.stdout is not stdout or isinstance(error.__context__, BrokenPipeError):
            raise BrokenPipeError from error
        raise
    except BrokenPipeError:
        raise
    except Exception as error:
        click.echo(printable(error_sentence(error)), err=True)
        return ExitCode.NO_RESULT
    return result if isinstance(result, int) else ExitCode.AS_WANTED
