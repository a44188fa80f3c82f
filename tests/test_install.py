"""Setting up: from the index that pip is configured for, with every version pinned."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from local_aws.install import CHECKOUT, main, uv_variables

if TYPE_CHECKING:
    import pytest

PIP_SETTINGS = """\
:env:.index-url='https://user:word@env.example.com/simple'
global.cert='/etc/ssl/company.pem'
global.extra-index-url='https://one.example.com/simple\\nhttps://two.example.com/simple'
global.find-links='/wheels /more-wheels'
global.index-url='https://global.example.com/simple'
global.timeout='60'
install.trusted-host='env.example.com'
"""


def test_uv_gets_the_index_and_the_certificates_that_pip_is_configured_for() -> None:
    assert uv_variables(PIP_SETTINGS, {}) == {
        "UV_DEFAULT_INDEX": "https://user:word@env.example.com/simple",
        "UV_INDEX": "https://one.example.com/simple https://two.example.com/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,/more-wheels",
        "UV_INSECURE_HOST": "env.example.com",
        "SSL_CERT_FILE": "/etc/ssl/company.pem",
    }


def test_settings_that_uv_has_already_stay() -> None:
    assert "UV_DEFAULT_INDEX" not in uv_variables(
        PIP_SETTINGS, {"UV_DEFAULT_INDEX": "https://mine.example.com"}
    )
    assert uv_variables("", {}) == {}


def test_the_output_of_a_command_is_shown_only_if_it_fails(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-c", "import sys; print('one reason'); sys.exit(int(sys.argv[1]))"]

    assert main(["--name", "it", "--", *command, "0"]) == 0
    assert "one reason" not in "".join(capsys.readouterr())

    assert main(["--name", "it", "--", *command, "3"]) == 1
    assert "failed with exit code 3:\none reason" in capsys.readouterr().err


def pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (CHECKOUT / name).read_text(), re.MULTILINE))


def test_the_local_aws_needs_a_part_of_the_packages_of_the_tests_in_the_same_versions() -> None:
    local_aws = pins("requirements-local-aws.txt")
    assert local_aws.items() < pins("requirements-dev.txt").items()
    groups = tomllib.loads(Path(CHECKOUT / "pyproject.toml").read_text())["dependency-groups"]
    assert {re.split(r"\W", package)[0] for package in groups["local-aws"]} - {"nodejs"} <= local_aws.keys()
