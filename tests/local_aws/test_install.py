"""Setting up: from the index that pip is configured for, with every version pinned."""

import base64
import hashlib
import importlib.metadata
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from local_aws.install import CHECKOUT, install_packages, uv_variables
from support.processes import run_successfully

PIP_SETTINGS = """\
:env:.index-url='https://user:word@env.example.com/simple'
global.cert='/etc/ssl/company.pem'
global.extra-index-url='https://one.example.com/simple\\nhttps://two.example.com/simple'
global.index-url='https://global.example.com/simple'
global.timeout='60'
install.trusted-host='env.example.com'
"""


def test_uv_gets_the_index_and_the_certificates_that_pip_is_configured_for() -> None:
    assert uv_variables(PIP_SETTINGS, {}) == {
        "UV_DEFAULT_INDEX": "https://user:word@env.example.com/simple",
        "UV_INDEX": "https://one.example.com/simple https://two.example.com/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INSECURE_HOST": "env.example.com",
        "SSL_CERT_FILE": "/etc/ssl/company.pem",
    }


def test_settings_that_uv_has_already_stay() -> None:
    own = {"UV_DEFAULT_INDEX": "https://mine.example.com"}
    assert uv_variables(PIP_SETTINGS, own).items() >= own.items()
    assert uv_variables("", {}) == {}


def test_a_python_that_is_too_old_is_refused_before_pip_tries_all_versions_of_what_this_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = runpy.run_path(str(CHECKOUT / "hatch_build.py"))["ReadmeHook"](str(CHECKOUT), {})
    monkeypatch.setattr("sys.version_info", (3, 10, 12))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer"):
        hook.update({})


# Packages, each with the hashes of its files, and nothing else: no index, no folder, no other file.
PINNED_BY_HASH = re.compile(
    r"([\w.-]+==[^\s;]+( ; [^\\\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n)+"
)
EXPORT = ("export", "-q", "--no-emit-project", "--no-header", "--no-annotate", "--offline")


def uv(*arguments: str) -> str:
    """Return what uv prints."""
    return run_successfully(Path(sys.executable).with_name("uv"), *arguments, cwd=CHECKOUT)


def test_what_readers_install_is_what_the_tests_have_by_hash() -> None:
    # --locked fails if the lock file does not have what pyproject.toml asks for.
    requirements = (CHECKOUT / "requirements.txt").read_text()
    assert requirements == uv(*EXPORT, "--locked", "--extra", "cdk")
    assert PINNED_BY_HASH.fullmatch(requirements)
    assert PINNED_BY_HASH.fullmatch(uv(*EXPORT, "--frozen", "--only-group", "dev"))
    assert PINNED_BY_HASH.fullmatch((CHECKOUT / "tests/oldest_sdk/requirements.txt").read_text())


def test_the_lock_file_names_no_index_but_the_public_one() -> None:
    addresses = set(re.findall(r"https?://[^/]+", (CHECKOUT / "uv.lock").read_text()))
    assert addresses == {"https://pypi.org", "https://files.pythonhosted.org"}


@pytest.mark.slow
def test_a_package_without_a_hash_is_not_installed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        install_packages("six==0\n")
    assert "all requirements must have a hash" in capfd.readouterr().err


@pytest.mark.slow
def test_no_package_is_built_for_what_builds_it_has_no_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # uv refuses it by its name, before it looks into it.
    (tmp_path / "sourceonly-1.tar.gz").touch()
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(subprocess.CalledProcessError):
        install_packages(f"sourceonly==1 --hash=sha256:{'0' * 64}\n")
    assert "building from source is disabled" in capfd.readouterr().err


def test_nothing_is_installed_by_pip_or_uv_without_its_hash() -> None:
    commands = (CHECKOUT / "Makefile").read_text().replace("\\\n", " ").splitlines()
    installing = [command for command in commands if re.search(r"/(uv )?pip install ", command)]
    assert installing
    assert [command for command in installing if "--require-hashes" not in command] == []
    wheels_alone = re.compile("--no-build |--only-binary :all: ")
    assert [command for command in installing if not wheels_alone.search(command)] == []


def test_the_cdks_files_are_its_own_where_another_package_has_them_too() -> None:
    # The package of the schema has files at the same paths: those installed last stay.
    files = importlib.metadata.distribution("aws-cdk-lib").files or []
    (file,) = (file for file in files if str(file) == "aws_cdk/cloud_assembly_schema/__init__.py")
    digest = hashlib.sha256(Path(str(file.locate())).read_bytes()).digest()
    assert file.hash is not None
    assert file.hash.value == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
