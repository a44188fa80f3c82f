"""Merging templates: with its conditions decided, the result is each of the templates that were merged."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudformation.merge import Option, merge, name_conditions
from cloudformation.placeholders import Placeholders
from support.template_values import final_sections

if TYPE_CHECKING:
    from collections.abc import Mapping

ALARM = ("Alarm", "true"), (None, "false")
COLOR = ("Red", "red"), ("Green", "green"), (None, "blue")
CONDITIONS = {
    "Alarm": {"Fn::Equals": [{"Ref": "Alarms"}, "true"]},
    "Red": {"Fn::Equals": [{"Ref": "Color"}, "red"]},
    "Green": {"Fn::Equals": [{"Ref": "Color"}, "green"]},
}

NAMES = st.sampled_from(["A", "B", "C"])
TEXTS = st.text('{}[]:,"abc', max_size=200) | st.just({"Fn::GetAtt": ["A", "Arn"]})
VALUES = st.recursive(
    TEXTS | st.integers(0, 3) | st.booleans(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["Sid", "x", "y"]), inner),
    max_leaves=8,
)


@st.composite
def templates(draw: st.DrawFn) -> dict[str, Any]:
    ids: set[str] = draw(st.sets(NAMES))
    return {
        "Resources": {
            id_: {
                "Type": "T",
                "Properties": draw(st.dictionaries(st.sampled_from(["P", "Q"]), VALUES)),
                **draw(st.sampled_from([{}, {"DependsOn": sorted(ids - {id_})}])),
            }
            for id_ in sorted(ids)
        },
        "Outputs": {name: {"Value": draw(TEXTS)} for name in draw(st.sets(NAMES))},
    }


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.tuples(*[templates()] * 6))
def test_each_template_is_what_its_conditions_make_of_the_result(made: tuple[dict[str, Any], ...]) -> None:
    combinations = [*itertools.product(("true", "false"), ("red", "green", "blue"))]
    by_values = dict(zip(combinations, made, strict=True))
    choices = [
        tuple(Option(condition=condition, arguments={name: value}) for condition, value in options)
        for name, options in (("Alarms", ALARM), ("Color", COLOR))
    ]
    merged = name_conditions(
        merge(choices, lambda chosen: by_values[str(chosen["Alarms"]), str(chosen["Color"])]), CONDITIONS
    )
    for (alarms, color), template in by_values.items():
        parameters = {"Alarms": alarms, "Color": color}
        assert values(merged, parameters) == values(template, {})


def values(template: Mapping[str, Any], parameters: Mapping[str, str]) -> Any:
    return final_sections(template, parameters, region="us-east-1", account_id="111111111111")


def test_what_cloudformation_cannot_decide_is_refused() -> None:
    def build(chosen: Mapping[str, object]) -> dict[str, Any]:
        return {"Resources": {"A": {"Type": str(chosen["type"])}}, "Outputs": {}}

    options = (
        Option(condition="Red", arguments={"type": "One"}),
        Option(condition=None, arguments={"type": "Other"}),
    )
    with pytest.raises(ValueError, match=r"Type cannot depend on a condition: One, Other\."):
        merge([options], build)


PLACEHOLDERS = Placeholders(
    texts={"eu-west-1": {"Ref": "AWS::Region"}},
    numbers={39600: {"Ref": "Seconds"}},
    lists={("100000000001", "100000000002"): "Accounts"},
)


@pytest.mark.parametrize(
    ("synthesized", "expected"),
    [
        (["100000000001", "100000000002"], ["1", "2", "3"]),
        (["arn:100000000001:root", "arn:100000000002:root"], ["arn:1:root", "arn:2:root", "arn:3:root"]),
        ('{"a":["100000000001","100000000002"],"b":0}', '{"a":["1","2","3"],"b":0}'),
        ('"Or":[{"x":"100000000001"},{"x":"100000000002"}]', '"Or":[{"x":"1"},{"x":"2"},{"x":"3"}]'),
        ({"Fn::Join": ["", ["logs.eu-west-1.", {"Ref": "AWS::Partition"}]]}, "logs.us-east-1.aws"),
        ({"Period": 39600, "Threshold": 1}, {"Period": "7", "Threshold": 1}),
    ],
)
def test_a_parameter_takes_the_place_of_what_stands_for_it(synthesized: Any, expected: Any) -> None:
    resources = {"A": {"Properties": PLACEHOLDERS.replace(synthesized)}}
    template: dict[str, Any] = {"Resources": resources, "Outputs": {}}
    found = values(template, {"Accounts": "1,2,3", "Seconds": "7"})
    assert found["Resources"]["A"]["Properties"] == expected


def test_a_list_in_a_place_that_no_parameter_can_take_is_refused() -> None:
    with pytest.raises(ValueError, match="100000000001 stands for a list"):
        PLACEHOLDERS.replace(["100000000001", "x", "100000000002"])


def test_the_result_says_a_condition_by_its_name() -> None:
    merged = name_conditions(
        merge(
            [tuple(Option(condition=name, arguments={"color": color}) for name, color in COLOR)],
            lambda chosen: {
                "Resources": {str(chosen["color"]): {"Type": "T", "Properties": {}}},
                "Outputs": {},
            },
        ),
        CONDITIONS,
    )
    assert {id_: entry["Condition"] for id_, entry in merged["Resources"].items()} == {
        "red": "Red",
        "green": "NotRedAndGreen",
        "blue": "NotRedAndNotGreen",
    }
    assert "Alarm" not in merged["Conditions"], json.dumps(merged["Conditions"])
