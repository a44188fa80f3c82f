"""The texts of resource policies: what an approver reads of them, and what is refused as one."""

import json

import pytest

from root_tasks.tasks.policy_documents import difference, effect_on_everyone, policy_text

A_ROLE = {"AWS": "arn:aws:iam::222222222222:role/a"}
A_CONDITION = {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize(
    ("statements", "sentence"),
    [
        ([], ""),
        ([{"Effect": "Allow", "Principal": A_ROLE}], ""),
        ([{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}}], ""),
        ({"Effect": "Allow", "Principal": "*"}, "allows everyone"),
        ([{"Effect": "Allow", "Principal": {"AWS": "*"}}], "allows everyone"),
        ([{"Effect": "Allow", "Principal": {"AWS": [A_ROLE["AWS"], "*"]}}], "allows everyone"),
        ([{"Effect": "Deny", "Principal": {"AWS": ["*"]}}], "denies everyone"),
        ([{"Effect": "Deny", "NotPrincipal": A_ROLE}], "denies everyone whom it does not name"),
        (
            [
                {"Effect": "Deny", "Principal": "*", "Condition": A_CONDITION},
                {"Effect": "Allow", "Principal": "*", "Condition": {}},
            ],
            "allows everyone and denies everyone who meets a condition",
        ),
    ],
    ids=[
        "no statement",
        "a role",
        "a service",
        "one statement without a list",
        "every account",
        "everyone beside a role",
        "a list of everyone",
        "all but a role",
        "two, one with a condition",
    ],
)
def test_a_policy_says_what_it_means_for_everyone(statements: object, sentence: str) -> None:
    effect = effect_on_everyone(json.dumps({"Statement": statements}))
    assert effect == (f"The new policy {sentence}." if sentence else "")


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow"},
        {"Effect": "Allow", "Principal": "*"},
        {"Principal": "*", "Action": "s3:*"},
        {"Effect": "Allow", "Action": "s3:*"},
        "Allow",
    ],
    ids=["only an effect", "no action", "no effect", "no principal", "no object"],
)
def test_what_aws_would_refuse_as_a_policy_of_a_bucket_is_not_planned(statement: object) -> None:
    with pytest.raises(ValueError, match="each statement"):
        policy_text({"Statement": [statement]})


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (None, None, ""),
        ('{"A": 1}', '{ "A":1 }', ""),
        ('{"A": 1}', None, '-{\n-  "A": 1\n-}'),
        (None, '{"A": 1}', '+{\n+  "A": 1\n+}'),
        (
            '{"A": 1, "B": 2}',
            '{"A": 1, "B": 3}',
            ' {\n   "A": 1,\n-  "B": 2\n+  "B": 3\n }',
        ),
        ("no JSON", '{"A": 1}', '-no JSON\n+{\n+  "A": 1\n+}'),
    ],
    ids=["no policy", "only blanks differ", "removed", "added", "changed", "not JSON before"],
)
def test_a_difference_has_every_line_of_both_policies(
    old: str | None, new: str | None, lines: str
) -> None:
    assert difference(old, new) == lines
