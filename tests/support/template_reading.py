"""What is in a template, without the CDK, which takes a second to import."""

import json
from collections.abc import Mapping
from typing import Any


def resources_of_type(template: Mapping[str, Any], resource_type: str) -> dict[str, Any]:
    """Return the template's resources of one type, by logical id."""
    return {
        id_: resource
        for id_, resource in template["Resources"].items()
        if resource["Type"] == resource_type
    }


def properties_of_type(
    template: Mapping[str, Any], resource_type: str, part: str = ""
) -> dict[str, dict[str, Any]]:
    """Return the properties of one type's resources whose logical ids have a part."""
    found = resources_of_type(template, resource_type)
    return {id: resource["Properties"] for id, resource in found.items() if part in id}


def state_machine_definition(template: Mapping[str, Any], which: str = "Audit") -> dict[str, Any]:
    """Return the definition of a state machine, with tokens as in `text_with_references`."""
    machines = properties_of_type(
        template, "AWS::StepFunctions::StateMachine", f"{which}StateMachine"
    )
    (properties,) = machines.values()
    return dict(json.loads(text_with_references(properties["DefinitionString"])))


def text_with_references(value: Any) -> str:
    """Return a property's text, with a resource as "${Bucket}" or "${Bucket.Arn}"."""
    match value:
        case {"Fn::Join": [str(separator), list(parts)]}:
            return str(separator).join(map(text_with_references, parts))
        case list(parts):
            # As a snapshot has a long text.
            return "".join(map(text_with_references, parts))
        case {"Ref": str(logical_id)}:
            return f"${{{logical_id}}}"
        case {"Fn::GetAtt": [str(logical_id), str(attribute)]}:
            return f"${{{logical_id}.{attribute}}}"
    return str(value)
