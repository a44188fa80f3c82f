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
    secret_access_key = os.environ.get("AWS_SECRET_ACCESS_KEY")
    if secret_access_key is None:
        parser.error("AWS_SECRET_ACCESS_KEY is not set: all callers sign with it")
    with organization_server(port=arguments.port, secret_access_key=secret_access_key) as (server, _):
        server.serve_forever()


if __name__ == "__main__":
    main()
