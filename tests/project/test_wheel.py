"""The sdist and the wheel that is built from it, and what the command line does from there."""

import email
import os
import re
import shutil
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from support.apps import REPOSITORY
from support.processes import run_process, run_successfully
from support.pythons import build, clean_variables


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the sdist and the wheel, built once."""
    return build(REPOSITORY, tmp_path_factory.mktemp("dist"))


def sources(folder: Path) -> set[str]:
    """Return the files under a folder, without bytecode."""
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return {file for file in found if "__pycache__" not in file}


def test_the_wheel_has_the_library_and_the_functions_and_nothing_else(
    built: tuple[Path, Path],
) -> None:
    names = {name for name in zipfile.ZipFile(built[1]).namelist() if ".dist-info/" not in name}
    library = sources(REPOSITORY / "constructs")
    functions = {
        f"centralized_root_access/_lambda/{file}" for file in sources(REPOSITORY / "lambda")
    }
    assert names == library | functions
    assert "centralized_root_access/py.typed" in names
    assert "centralized_root_access/_lambda/root_tasks/handlers.py" in names


def test_the_sdist_has_what_the_wheel_is_built_from(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    for folder in ("constructs", "lambda"):
        assert {name for name in names if name.startswith(f"{folder}/")} == {
            f"{folder}/{file}" for file in sources(REPOSITORY / folder)
        }
    assert {name.partition("/")[0] for name in names} == {
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "constructs",
        "hatch_build.py",
        "lambda",
        "pyproject.toml",
    }


def test_tools_of_2024_read_the_metadata(built: tuple[Path, Path]) -> None:
    """Twine 5.1 and the package registries of its time know metadata up to version 2.3."""
    with zipfile.ZipFile(built[1]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(wheel.read(name))
    assert metadata["Metadata-Version"] in {"2.1", "2.2", "2.3"}
    assert metadata["License"] == "MIT"
    assert metadata["Description-Content-Type"] == "text/markdown"
    # All that the package index shows leads somewhere: nothing is relative to this repository.
    readme = str(metadata.get_payload())
    addresses = [url.partition(", ")[2] for url in metadata.get_all("Project-URL", [])]
    links = re.findall(r"\]\(([^)]*)\)", readme)
    assert len(addresses) == 5
    assert len(links) > 20
    assert [link for link in addresses + links if not link.startswith("https://")] == []
    assert f"{addresses[1]}/blob/v{metadata['Version']}/SECURITY.md" in links
    assert "begin pypi" not in readme


def test_one_line_installs_it_from_the_repository_of_the_metadata(
    built: tuple[Path, Path], tmp_path: Path
) -> None:
    source = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["urls"]["Source"]
    # Git reads this repository where it is told that address.
    instead = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{REPOSITORY}.insteadOf",
        "GIT_CONFIG_VALUE_0": source,
    }
    requirement = f"centralized-root-access[cdk] @ git+{source}"
    pip = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", tmp_path)
    run_successfully(*pip, requirement, env={**os.environ, **instead})
    (wheel,) = tmp_path.glob("*.whl")
    assert set(zipfile.ZipFile(wheel).namelist()) == set(zipfile.ZipFile(built[1]).namelist())


@pytest.fixture(scope="module")
def installed(
    request: pytest.FixtureRequest,
    built: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The Python of an empty environment with the wheel installed, with an extra or without."""
    folder = tmp_path_factory.mktemp("installed")
    run_successfully(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-compile")
    run_successfully(*pip, f"{built[1]}{request.param}")
    return python


@pytest.mark.parametrize("installed", [""], indirect=True, ids=["without an extra"])
def test_the_command_line_without_the_cdk_says_what_the_constructs_need(
    installed: Path, tmp_path: Path
) -> None:
    program = installed.with_name("centralized-root-access")
    assert "preflight" in run_successfully(program, "--help", cwd=tmp_path, env=clean_variables())
    # With the functions' code: there are no credentials, and it says so.
    asked = run_process(
        program, "status", cwd=tmp_path, env={**clean_variables(), "AWS_CONFIG_FILE": os.devnull}
    )
    assert (asked.returncode, "Traceback" in asked.stderr) == (2, False), asked.stderr
    assert run_process(installed, "-c", "import aws_cdk", env=clean_variables()).returncode == 1
    statement = "from centralized_root_access import RootTasks"
    imported = run_process(installed, "-c", statement, cwd=tmp_path, env=clean_variables())
    needed = r'ImportError: RootTasks needs the CDK\. .* pip install ".*\[cdk\]"'
    assert re.fullmatch(needed, imported.stderr.splitlines()[-1])
    assert "ModuleNotFoundError" not in imported.stderr


@pytest.mark.parametrize("installed", ["[cdk]"], indirect=True, ids=["with the extra"])
def test_the_constructs_are_installed_by_the_extra(installed: Path, tmp_path: Path) -> None:
    app = Path(shutil.copy(REPOSITORY / "examples" / "smallest.py", tmp_path / "app.py"))
    run_successfully(
        installed, app, cwd=tmp_path, env={**clean_variables(), "CDK_OUTDIR": "cdk.out"}
    )
    assert (tmp_path / "cdk.out" / "OrganizationBootstrap.template.json").is_file()
