"""The Terraform module: what it gives to the provider, and to the template, is what they take."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hcl2

from support.apps import REPOSITORY, read_page

MODULE = REPOSITORY / "examples" / "terraform"


def body(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block's arguments; the parser adds marks of its own."""
    return {name: value for name, value in block.items() if not name.startswith("__")}


# The texts of the module, and of the page's examples that call it.
MODULE_TEXTS = [file.read_text() for file in sorted(MODULE.glob("*.tf"))]
PAGE_TEXTS = re.findall(r"```hcl\n(.*?)```", read_page("guides/without-cdk.md"), re.DOTALL)


def blocks(
    kind: str, *, labels: int = 1, texts: Sequence[str] = MODULE_TEXTS
) -> dict[str, dict[str, Any]]:
    """Return the blocks of a kind, by their labels.

    For example ``{"aws_s3_object.code": {…}}`` for the kind ``resource``, which has two labels.
    """
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
(LOCALS,) = hcl2.loads((MODULE / "main.tf").read_text())["locals"]
STACK = RESOURCES["aws_cloudformation_stack.stack"]


def test_the_code_is_uploaded_before_the_stack_that_has_its_parameters() -> None:
    code = RESOURCES["aws_s3_object.code"]
    assert (code["bucket"], code["key"]) == ("${var.bucket}", '"${local.prefix}${each.value}"')
    assert STACK["depends_on"] == ["${aws_s3_object.code}"]
    # Otherwise an update deletes the code that its rollback needs.
    assert [body(lifecycle) for lifecycle in code["lifecycle"]] == [{"create_before_destroy": True}]


def test_no_two_stacks_have_the_same_object() -> None:
    assert LOCALS["prefix"] == '"${var.prefix}${var.name}/"'
    assert "CodePrefix = local.prefix" in LOCALS["code"]
    for name in ("code", "template"):
        assert RESOURCES[f"aws_s3_object.{name}"]["key"].startswith('"${local.prefix}')


def test_the_page_calls_the_module_with_what_it_and_the_templates_have(release: Path) -> None:
    calls = blocks("module", texts=PAGE_TEXTS)
    assert calls.keys() == {"root_access", "root_tasks"}
    required = {name for name, variable in VARIABLES.items() if "default" not in variable}
    for call in calls.values():
        assert required <= set(call) - {"source", "depends_on"} <= set(VARIABLES)
        name = call.get("template", VARIABLES["template"]["default"]).strip('"')
        template = json.loads((release / f"{name}.template.json").read_text())
        # The release's parameters have no defaults, but for the prefix.
        assert {"CodeBucket", "CodePrefix"} | call["parameters"].keys() == template[
            "Parameters"
        ].keys()
