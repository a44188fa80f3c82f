"""The command line: `python -m centralized_root_access status`."""

from __future__ import annotations

import os
import sys

from ._code import lambda_root

# As shells have it for a command that Ctrl-C ended, or that wrote to a pipe which nobody reads.
_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main() -> int:
    """Run the command line, and return its exit code. It never ends in a traceback."""
    # The commands use the functions' code, which is not a part of this package.
    sys.path.insert(0, str(lambda_root()))
    try:
        from .cli.status import run

        exit_code = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Python flushes once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
