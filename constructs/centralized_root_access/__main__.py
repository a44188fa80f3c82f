"""The command line: `centralized-root-access`, or `python -m centralized_root_access`."""

from __future__ import annotations

import os
import sys

from ._code import lambda_root


def main() -> int:
    """Run the command line, and return its exit code. It never ends in a traceback."""
    # The commands use the functions' code, which is not a part of this package.
    sys.path.insert(0, str(lambda_root()))
    try:
        from .cli.environment import Environment
        from .cli.exit_code import ExitCode
        from .cli.main import run

        exit_code = run(sys.argv[1:], environment=Environment.of_this_machine())
        sys.stdout.flush()
    except KeyboardInterrupt:
        exit_code = 130
    except BrokenPipeError:
        # Python flushes once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return ExitCode.BROKEN_PIPE
    if exit_code == 130:
        # Threads that call AWS would be waited for otherwise. They only read.
        sys.stderr.flush()
        os._exit(exit_code)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
