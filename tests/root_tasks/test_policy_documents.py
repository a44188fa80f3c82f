"""The texts of resource policies: what an approver reads of them, and what is refused as one."""

import json

import pytest

from root_tasks.tasks.policy_documents import difference, effect_of, policy_text

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
    effect = effect_of(json.dumps({"Statement": statements}), account_id="222222222222")
    assert effect == (f"The new policy {sentence}." if sentence else "")


FOREIGN = {"AWS": "arn:aws:iam::999999999999:root"}


@pytest.mark.parametrize(
    ("statement", "given"),
    [
        (
            {"Principal": FOREIGN, "Action": "s3:*", "Resource": "arn:aws:s3:::ledger/*"},
            "999999999999 s3:* on arn:aws:s3:::ledger/*",
        ),
        (
            {"Principal": {"AWS": [A_ROLE["AWS"], "888888888888"]}, "NotAction": ["s3:GetObject"]},
            "888888888888 every action but s3:GetObject",
        ),
        (
            {"Principal": FOREIGN, "Action": ["a:b", "a:c"], "Condition": A_CONDITION},
            "999999999999 a:b and a:c, if a condition is met",
        ),
        (
            {"Principal": {"AWS": [f"{number:012}" for number in range(9)]}, "Action": ["a:b"] * 4},
            "9 accounts 4 actions",
        ),
        ({"Effect": "Deny", "Principal": FOREIGN, "Action": "s3:*"}, None),
        ({"NotPrincipal": FOREIGN, "Action": "s3:*"}, None),
    ],
    ids=["its root user", "its ID", "a condition", "many", "denied", "left out"],
)
def test_a_policy_says_what_it_gives_to_other_accounts(
    statement: dict[str, object], given: str | None
) -> None:
    policy = json.dumps({"Statement": {"Effect": "Allow", **statement}})
    effect = effect_of(policy, account_id="222222222222")
    if given is None:
        assert "gives" not in effect
    else:
        assert effect == f"The new policy gives {given}."


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
        ('{"A": 1, "A": 2}', None, '-{"A": 1, "A": 2}'),
    ],
    ids=[
        "no policy",
        "only blanks differ",
        "removed",
        "added",
        "changed",
        "not JSON before",
        "a key twice",
    ],
)
def test_a_difference_has_every_line_of_both_policies(
    old: str | None, new: str | None, lines: str
) -> None:
    assert difference(old, new) == lines


def policy_of(*statements: dict[str, object]) -> str:
    """A policy of some statements, with a member before them."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


A_TEAM = {"Effect": "Allow", "Principal": A_ROLE, "Action": "s3:GetObject"}
A_DENIAL = {"Effect": "Deny", "Principal": FOREIGN, "Action": "s3:*"}
A_GIFT = {"Effect": "Allow", "Principal": FOREIGN, "Action": "s3:*"}


@pytest.mark.parametrize(
    ("old", "new", "gone", "added"),
    [
        ([A_TEAM, A_DENIAL], [A_GIFT], [A_TEAM, A_DENIAL], [A_GIFT]),
        ([A_TEAM, A_DENIAL], [A_TEAM, A_GIFT], [A_DENIAL], [A_GIFT]),
        ([A_TEAM], [A_TEAM, A_GIFT], [], [A_GIFT]),
        ([A_DENIAL, A_TEAM], [A_TEAM], [A_DENIAL], []),
    ],
    ids=["all others", "one other", "one more", "one fewer"],
)
def test_a_statement_that_is_new_is_new_with_all_its_lines(
    old: list[dict[str, object]],
    new: list[dict[str, object]],
    gone: list[dict[str, object]],
    added: list[dict[str, object]],
) -> None:
    lines = difference(policy_of(*old), policy_of(*new)).split("\n")
    for sign, statements in (("-", gone), ("+", added)):
        signed = "\n".join(line[1:] for line in lines if line[0] == sign)
        # Without the comma after the last one, it is the list of these statements.
        assert json.loads(f"[{signed.removesuffix(',')}]") == statements
    # The lines of the new policy are that policy.
    assert json.loads("\n".join(line[1:] for line in lines if line[0] != "-")) == json.loads(
        policy_of(*new)
    )


def test_a_statement_without_a_list_is_compared_as_a_whole() -> None:
    old, new = (json.dumps({"Statement": statement}) for statement in (A_DENIAL, A_GIFT))
    signs = [line[0] for line in difference(old, new).split("\n")]
    statement_lines = len(json.dumps(A_GIFT, indent=2).split("\n"))
    assert signs == [" ", *"-" * statement_lines, *"+" * statement_lines, " "]
