"""The command line: `python -m centralized_root_access status`."""

from __future__ import annotations

import sys

from ._code import lambda_root


def main() -> int:
    """Runs the command line, and returns its exit code."""
    # The function's own code does the looking; it is a package beside this one, not in it.
    sys.path.insert(0, str(lambda_root()))
    from ._status import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
