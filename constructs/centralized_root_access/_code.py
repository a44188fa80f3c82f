"""Where the code is that runs in Lambda: in a checkout, and in the wheel."""

from pathlib import Path

_HERE = Path(__file__).parent


def lambda_root() -> Path:
    """Returns the folder that holds the functions' packages."""
    packaged = _HERE / "_lambda"
    return packaged if packaged.is_dir() else _HERE.parents[1] / "lambda"
