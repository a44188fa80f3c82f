"""Validators that others wrote find nothing in the templates and the state machines of any app."""

import json
import re
import sys
from pathlib import Path

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from support import many_apps
from support.apps import APPS, REPOSITORY, synthesize
from support.processes import run_process, run_successfully
from support.templates import properties_of_type, text_with_references

pytestmark = pytest.mark.slow

ASL_VALIDATOR = REPOSITORY / "tests" / "node" / "node_modules" / ".bin" / "asl-validator"
# CDK writes each dependency by its name, whether or not a reference implies it, and joins text
# instead of substituting it, which cfn-lint also reports as an error in a CodePipeline action.
CDK_STYLE = "W3005,I1022,E3703"
# CDK grants the use of a connection by the service's former name, in whichever form its ARN is.
ACCEPTED_FINDING = ("I3510", "action 'codestar-connections:UseConnection'")


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files of the templates of every app: the examples, and apps of every form."""
    folder = tmp_path_factory.mktemp("apps")
    for app in APPS:
        synthesize(app, folder / app.stem)
    many_apps.synthesize_all(folder / "many_apps")
    return sorted(folder.rglob("*.template.json"))


def test_cfn_lint_finds_nothing_in_any_template_that_is_not_accepted(templates: list[Path]) -> None:
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    options = ("--include-checks=I", f"--ignore-checks={CDK_STYLE}", "--format=json")
    findings = json.loads(run_process(cfn_lint, *options, *templates).stdout)
    found = {
        (finding["Rule"]["Id"], finding["Message"].partition(" requires ")[0])
        for finding in findings
    }
    assert found == {ACCEPTED_FINDING}


def test_cloudformation_has_no_resource_of_its_own_for_what_the_custom_resource_does() -> None:
    """If it has one now, new users are better off with it: say so on the first page."""
    own = re.compile(r"AWS::(IAM|Organizations)::\w*(Root|Feature|Trusted|ServiceAccess|Delegated)")
    assert not list(filter(own.match, PROVIDER_SCHEMA_MANAGER.get_resource_types("us-east-1")))


def test_every_state_machine_is_valid(templates: list[Path], tmp_path: Path) -> None:
    assert ASL_VALIDATOR.is_file(), "asl-validator is not installed. Run `make test-slow`."
    definitions = {
        text_with_references(properties["DefinitionString"]).replace("${AWS::Partition}", "aws")
        for file in templates
        for properties in properties_of_type(
            json.loads(file.read_text()), "AWS::StepFunctions::StateMachine"
        ).values()
    }
    assert definitions
    files = [tmp_path / f"{number}.json" for number in range(len(definitions))]
    for file, definition in zip(files, definitions, strict=True):
        file.write_text(definition)
    run_successfully(ASL_VALIDATOR, *(f"--json-path={file}" for file in files))
