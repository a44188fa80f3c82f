"""The command line: `python -m centralized_root_access status`."""

from __future__ import annotations

import sys

from ._code import lambda_root


def main() -> int:
    """Run the command line, and return its exit code."""
    # The commands use the functions' code, which is not a part of this package.
    sys.path.insert(0, str(lambda_root()))
    from .cli.status import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
