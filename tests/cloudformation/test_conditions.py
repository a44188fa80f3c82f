"""What a parameter switches in a template, on one that is small enough for the gate."""

import json
from pathlib import Path

from aws_cdk import Stack
from aws_cdk import aws_sns as sns

from cloudformation.parameter_template import (
    Option,
    ParameterTemplate,
    build_parameter_template,
)


def add_topics(stack: Stack, *, second: bool) -> None:
    sns.CfnTopic(stack, "Topic", display_name="both" if second else "one")
    if second:
        sns.CfnTopic(stack, "Second", display_name="two")


def test_a_resource_of_an_option_has_its_condition(tmp_path: Path) -> None:
    condition = {"Fn::Equals": [{"Ref": "Second"}, "true"]}
    template = ParameterTemplate(
        name="topics",
        description="One topic or two.",
        parameters={"Second": {"Type": "String"}},
        add=add_topics,
        conditions={"HasSecond": condition},
        choices=[(Option("HasSecond", {"second": True}), Option(None, {"second": False}))],
        existence={"Second": "HasSecond"},
    )
    (file,) = build_parameter_template(template, output=tmp_path)
    written = json.loads(file.read_text())
    assert written["Conditions"] == {"HasSecond": condition}
    assert written["Resources"] == {
        "Topic": {
            "Type": "AWS::SNS::Topic",
            "Properties": {"DisplayName": {"Fn::If": ["HasSecond", "both", "one"]}},
        },
        "Second": {
            "Type": "AWS::SNS::Topic",
            "Properties": {"DisplayName": "two"},
            "Condition": "HasSecond",
        },
    }
