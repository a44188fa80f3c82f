"""The Terraform module: what it gives to the provider, and to the template, is what they take."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import hcl2

from cloudformation.templates import ROOT_ACCESS, ROOT_TASKS
from support.apps import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

MODULE = ROOT / "examples" / "terraform"
# https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/…
ARGUMENTS = {
    "aws_cloudformation_stack": {
        *("name", "template_body", "template_url", "capabilities", "disable_rollback", "notification_arns"),
        *("on_failure", "parameters", "policy_body", "policy_url", "region", "tags", "iam_role_arn"),
        "timeout_in_minutes",
    },
    "aws_s3_object": {
        *("bucket", "key", "acl", "bucket_key_enabled", "cache_control", "content", "content_base64"),
        *("content_disposition", "content_encoding", "content_language", "content_type", "etag"),
        *("force_destroy", "kms_key_id", "metadata", "object_lock_legal_hold_status", "object_lock_mode"),
        *("object_lock_retain_until_date", "server_side_encryption", "source", "source_hash"),
        *("storage_class", "tags", "website_redirect"),
    },
}
META_ARGUMENTS = {"for_each", "depends_on", "lifecycle"}


def body(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block's arguments; the parser adds marks of its own."""
    return {name: value for name, value in block.items() if not name.startswith("__")}


MODULE_TEXTS = [file.read_text() for file in sorted(MODULE.glob("*.tf"))]
PAGE_TEXTS = re.findall(r"```hcl\n(.*?)```", (ROOT / "docs" / "without-cdk.md").read_text(), re.DOTALL)


def blocks(kind: str, *, labels: int = 1, texts: Sequence[str] = MODULE_TEXTS) -> dict[str, dict[str, Any]]:
    """Return the blocks of a kind, by their labels."""
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        for block in hcl2.loads(text).get(kind, ()):
            names = []
            for _ in range(labels):
                ((name, block),) = body(block).items()
                names.append(name.strip('"'))
            found[".".join(names)] = body(block)
    return found


VARIABLES = blocks("variable")
RESOURCES = blocks("resource", labels=2)
STACK = RESOURCES["aws_cloudformation_stack.root_access"]


def test_every_argument_is_one_that_the_provider_documents() -> None:
    assert {name.partition(".")[0] for name in RESOURCES} == set(ARGUMENTS)
    for name, resource in RESOURCES.items():
        assert set(resource) - META_ARGUMENTS <= ARGUMENTS[name.partition(".")[0]], name


def test_the_stack_gets_every_parameter_of_the_template_and_no_other() -> None:
    assert set(STACK["parameters"]) == set(ROOT_ACCESS.parameters)


def test_the_template_is_passed_as_text_which_the_provider_limits_to_51200_bytes() -> None:
    name = f"{ROOT_ACCESS.name}.template.json"
    assert STACK["template_body"] == f'${{file("${{var.release}}/{name}")}}'
    assert STACK["capabilities"] == ['"CAPABILITY_IAM"']


def test_the_code_is_where_the_template_looks_for_it_and_before_the_stack() -> None:
    code = RESOURCES["aws_s3_object.code"]
    assert (code["bucket"], code["key"]) == ("${var.bucket}", '"${var.prefix}${each.value}"')
    assert (STACK["parameters"]["CodeBucket"], STACK["parameters"]["CodePrefix"]) == (
        "${var.bucket}",
        "${var.prefix}",
    )
    assert STACK["depends_on"] == ["${aws_s3_object.code}"]
    # Otherwise an update deletes the code that its rollback needs.
    assert [body(lifecycle) for lifecycle in code["lifecycle"]] == [{"create_before_destroy": True}]


def test_every_variable_is_typed_described_and_used() -> None:
    text = (MODULE / "main.tf").read_text()
    for name, variable in VARIABLES.items():
        assert {"type", "description"} <= set(variable), name
        assert re.search(rf"\bvar\.{name}\b", text), name
    assert set(re.findall(r"\bvar\.(\w+)", text)) == set(VARIABLES)


def test_the_defaults_are_those_of_the_template() -> None:
    parameters = ROOT_ACCESS.parameters
    assert {feature.strip('"') for feature in VARIABLES["features"]["default"]} == set(
        parameters["Features"]["Default"].split(",")
    )
    assert VARIABLES["delegated_administrators"]["default"] is None
    assert parameters["DelegatedAdministrators"]["Default"] == "unmanaged"
    assert (VARIABLES["repair"]["default"], parameters["Repair"]["Default"]) == (False, "false")
    assert VARIABLES["notification_topic_arn"]["default"] is None
    topic = STACK["parameters"]["NotificationTopicArn"]
    none = parameters["NotificationTopicArn"]["Default"]
    assert topic == f'${{coalesce(var.notification_topic_arn, "{none}")}}'


def test_the_status_is_decoded() -> None:
    outputs = 'aws_cloudformation_stack.root_access.outputs["RootAccessStatus"]'
    assert blocks("output")["status"]["value"] == f"${{jsondecode({outputs})}}"


def test_the_page_uses_what_the_module_the_provider_and_the_template_have() -> None:
    (call,) = blocks("module", texts=PAGE_TEXTS).values()
    required = {name for name, variable in VARIABLES.items() if "default" not in variable}
    assert set(call) - {"source"} == required
    resources = blocks("resource", labels=2, texts=PAGE_TEXTS)
    for name, resource in resources.items():
        assert set(resource) - META_ARGUMENTS <= ARGUMENTS[name.partition(".")[0]], name
    parameters = resources["aws_cloudformation_stack.root_tasks"]["parameters"]
    assert set(parameters) <= set(ROOT_TASKS.parameters)
    assert parameters["CodePrefix"] == VARIABLES["prefix"]["default"]
    assert parameters["Tasks"].strip('"') in ROOT_TASKS.parameters["Tasks"]["AllowedValues"]
