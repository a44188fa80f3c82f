"""Apps of every form, on every Python that is here, from the lowest supported CDK to the newest."""

import json
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from support import many_apps
from support.apps import REPOSITORY
from support.processes import run_successfully
from support.pythons import (
    SUPPORTED,
    build,
    clean_variables,
    create_environment,
    find_python,
    own_dependencies,
)
from support.templates import resources_of_type

LOWEST = Path(sys.prefix) / "lowest"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the checkout synthesizes into."""
    folder = tmp_path_factory.mktemp("checkout")
    many_apps.synthesize_all(folder)
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built from the checkout, as the second file after its sdist."""
    return build(REPOSITORY, tmp_path_factory.mktemp("dist"))[1]


def synthesize_by(interpreter: Path, folder: Path, *, wheel: Path, dependencies: Path) -> Path:
    """Synthesize the apps by the wheel, in a virtual environment of its own; return the folder.

    Args:
        interpreter: The Python.
        folder: Where the environment is created.
        wheel: The wheel.
        dependencies: The folder that has the packages which the wheel needs.
    """
    installed = create_environment(
        interpreter, folder / "venv", wheel=wheel, dependencies=dependencies
    )
    script = shutil.copy(many_apps.__file__, folder)
    run_successfully(installed.python, script, folder / "apps", cwd=folder, env=clean_variables())
    # Python has compiled the functions' code where the assets come from.
    assert list(installed.site_packages.rglob("_lambda/**/*.pyc")), "left out of the assets"
    return folder / "apps"


def templates(folder: Path) -> dict[str, Any]:
    """Return the templates below a folder, by their paths in it."""
    return {
        str(file.relative_to(folder)): json.loads(file.read_text())
        for file in sorted(folder.rglob("*.template.json"))
    }


def files(folder: Path) -> dict[str, bytes]:
    """Return what CloudFormation and the CDK CLI get: templates, and assets with their content."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and (file.name.endswith((".template.json", ".assets.json")) or "/asset." in str(file))
    }


@pytest.mark.parametrize("app", [app.__name__ for app in many_apps.APPS])
def test_every_form_of_app_has_the_construct_once_per_organization(
    checkout: Path, app: str
) -> None:
    custom_resources = [
        resource
        for template in templates(checkout / app).values()
        for resource in resources_of_type(template, "Custom::CentralizedRootAccess").values()
    ]
    organizations = 2 if app == "stages" else 1
    assert len(custom_resources) == organizations


@pytest.mark.slow
@pytest.mark.parametrize("version", SUPPORTED)
def test_every_installed_python_synthesizes_the_same_from_the_wheel(
    checkout: Path, wheel: Path, tmp_path: Path, version: str
) -> None:
    interpreter = find_python(version)
    if interpreter is None:
        pytest.skip(f"This machine has no Python {version}.")
    synthesized = synthesize_by(interpreter, tmp_path, wheel=wheel, dependencies=own_dependencies())
    assert files(synthesized) == files(checkout)


@pytest.mark.slow
def test_the_lowest_supported_packages_synthesize_the_same_resources(
    checkout: Path, wheel: Path, tmp_path: Path
) -> None:
    assert LOWEST.is_dir(), "The lowest supported packages are not installed. Run `make test-slow`."
    synthesized = synthesize_by(Path(sys.executable), tmp_path, wheel=wheel, dependencies=LOWEST)

    def types(folder: Path) -> dict[str, dict[str, str]]:
        return {
            file: {
                logical_id: resource["Type"]
                for logical_id, resource in template["Resources"].items()
            }
            for file, template in templates(folder).items()
        }

    assert types(synthesized) == types(checkout)


def test_the_lowest_packages_are_the_lowest_that_the_project_allows() -> None:
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    project = settings["project"]
    asked_for = project["dependencies"] + project["optional-dependencies"]["cdk"]
    lowest = {package.partition(",")[0].replace(">=", "==") for package in asked_for}
    assert set(settings["dependency-groups"]["lowest"]) == lowest
