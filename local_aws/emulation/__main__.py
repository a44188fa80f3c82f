"""Serves the emulated organization until it is told to end: SIGTERM or SIGINT."""

import argparse
import signal
import sys
from types import FrameType

from .server import LOOPBACK, organization_server


def main() -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m local_aws.emulation", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="the port to listen on")
    parser.add_argument("--host", default=LOOPBACK, help="the address to listen on (%(default)s)")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    with organization_server(host=arguments.host, port=arguments.port) as (server, _):
        server.serve_forever()


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
