"""Serve the emulated organization until this process is terminated."""

import argparse
import os

from .server import organization_server


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m local_aws.emulation", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="the port to listen on")
    arguments = parser.parse_args()
    # Not an argument: other users of this machine see the arguments of every process.
    session_token = os.environ.get("AWS_SESSION_TOKEN")
    if session_token is None:
        parser.error("AWS_SESSION_TOKEN is not set: all callers have it")
    with organization_server(port=arguments.port, session_token=session_token) as (server, _):
        server.serve_forever()


if __name__ == "__main__":
    main()
