"""Serve the emulated organization until SIGTERM or SIGINT."""

import argparse
import signal
import sys
from types import FrameType

from .server import LOOPBACK, organization_server


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m local_aws.emulation", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="the port to listen on")
    parser.add_argument("--host", default=LOOPBACK, help="the address to listen on (%(default)s)")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)
    with organization_server(host=arguments.host, port=arguments.port) as (server, _):
        server.serve_forever()


def _exit(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
