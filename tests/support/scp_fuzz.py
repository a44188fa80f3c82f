"""Random policies without hypothesis, so that there can be many: the grammar's texts, mutated by a seed.

`python -m support.scp_fuzz SEED COUNT` compares 200 of each of so many seeds with the oracle, and prints
where the two differ.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from random import Random
from typing import TYPE_CHECKING, Any

from root_tasks.policies.attachments import FULL_ACCESS
from scp.evaluate import Decision
from scp.operators import OPERATORS

from .scp import FULL_ACCESS_DOCUMENT, document, evaluate_call, levels, policy_of
from .scp_grammar import ACTIONS, CALLS, KEYS, RESOURCES, VALUES, disagreement_names
from .scp_oracle import Oracle, question, worlds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scp.calls import Call

Document = dict[str, Any]

_ACTIONS = (*ACTIONS, *(call.action for call in CALLS))
_OPERATORS = (*OPERATORS, "StringLike", "StringEquals", "ArnLike")
_PREFIXES = ("", "", "", "", "ForAllValues:", "ForAnyValue:")


def random_document(random: Random, *, effects: Sequence[str] = ("Deny", "Deny", "Allow")) -> Document:
    """Return a policy of one to three statements."""
    return document(*(_statement(random, effects) for _ in range(random.randint(1, 3))))


def _statement(random: Random, effects: Sequence[str]) -> Document:
    drawn: Document = {
        "Effect": random.choice(effects),
        random.choice(("Action", "Action", "NotAction")): _texts(random, _ACTIONS, _mutate_action),
        random.choice(("Resource", "Resource", "NotResource")): _texts(random, RESOURCES, _mutate_arn),
    }
    block: dict[str, dict[str, Any]] = {}
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        operator, key, values = _condition(random)
        block.setdefault(operator, {})[key] = values
    return {**drawn, "Condition": block} if block else drawn


def _condition(random: Random) -> tuple[str, str, Any]:
    key = random.choice(tuple(KEYS))
    if random.random() < 0.1:
        return "Null", key, random.choice(("true", "false"))
    operator = random.choice(_OPERATORS)
    kind = next((kind for kind in VALUES if kind in operator), "String")
    pool = KEYS[key] if random.random() < 0.8 else sum(VALUES[kind], ())
    suffix = random.choice(("", "", "IfExists"))
    return f"{random.choice(_PREFIXES)}{operator}{suffix}", key, _texts(random, pool, _mutate_text)


def _texts(random: Random, pool: Sequence[str], mutate: Any) -> Any:
    if random.random() < 0.2 and "*" in pool:
        return "*"
    texts = [
        mutate(random, text) if random.random() < 0.5 else text
        for text in random.choices(pool, k=random.choice((1, 1, 2, 3)))
    ]
    return texts[0] if len(texts) == 1 and random.random() < 0.5 else texts


def _mutate_action(random: Random, action: str) -> str:
    service, colon, name = action.partition(":")
    return f"{_with_other_case(random, service)}{colon}{_mutate_text(random, name)}" if colon else action


def _mutate_arn(random: Random, arn: str) -> str:
    # A part of an ARN, as one with fewer parts or an asterisk over a colon is left open by both.
    parts = arn.split(":", 5)
    if "${" in arn or len(parts) < 6:
        return arn
    place = random.choice((2, 3, 4, 5, 5, 5))
    parts[place] = _mutate_text(random, parts[place])
    return ":".join(parts)


def _mutate_text(random: Random, text: str) -> str:
    if not text or "${" in text:
        return text
    start = random.randrange(len(text))
    end = random.randint(start, len(text))
    match random.randrange(6):
        case 0:
            return f"{text[:start]}*{text[end:]}"
        case 1:
            return f"{text[:start]}?{text[start + 1 :]}"
        case 2:
            return f"{text[:start]}*"
        case 3:
            return f"*{text[start:]}"
        case 4:
            return text[:start] + text[end:]
        case _:
            return _with_other_case(random, text)


def _with_other_case(random: Random, text: str) -> str:
    return "".join(letter.swapcase() if random.random() < 0.3 else letter for letter in text)


# A comparison of many policies

_POLICIES_AT_ONCE = 200
_WORLDS = 3


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A policy of which both are certain, and not of the same.

    Attributes:
        call: The call.
        document: The policy, at the root.
        full_access: Whether FullAWSAccess is attached there, too.
        ours: What this project's evaluator says.
        theirs: What the oracle says of some worlds.
    """

    call: Call
    document: Document
    full_access: bool
    ours: Decision
    theirs: set[Decision]


def disagreements_of(oracle: Oracle, *, seed: int, count: int) -> Iterator[Disagreement]:
    """Compare so many policies, and yield where the two differ that are both certain."""
    random = Random(seed)
    for start in range(0, count, _POLICIES_AT_ONCE):
        certain = [
            each
            for _ in range(min(_POLICIES_AT_ONCE, count - start))
            for each in _certain_decisions(random, random_document(random))
        ]
        questions = [
            question(
                call,
                random.sample(asked, min(_WORLDS, len(asked))),
                service_control=[[FULL_ACCESS_DOCUMENT, drawn] if full_access else [drawn]],
            )
            for call, drawn, full_access, _ in certain
            for asked in [worlds(call, documents=[drawn])]
        ]
        for (call, drawn, full_access, ours), theirs in zip(certain, oracle.ask(questions), strict=True):
            if theirs != {ours}:
                yield Disagreement(
                    call=call, document=drawn, full_access=full_access, ours=ours, theirs=theirs
                )


def _certain_decisions(random: Random, drawn: Document) -> Iterator[tuple[Call, Document, bool, Decision]]:
    if disagreement_names(drawn):
        return
    full_access = random.random() < 0.7
    attached = [*([FULL_ACCESS] if full_access else []), policy_of(drawn)]
    for call in CALLS:
        ours = evaluate_call(call, service_control=levels(attached)).decision
        if ours is not Decision.UNKNOWN:
            yield call, drawn, full_access, ours


def main(seed: int, count: int) -> None:
    """Print the disagreements as lines of JSON, and on stderr which seeds have been compared."""
    with Oracle() as oracle:
        for each in range(seed, seed + count):
            for found in disagreements_of(oracle, seed=each, count=_POLICIES_AT_ONCE):
                line = {
                    **asdict(found),
                    "call": found.call.action,
                    "theirs": sorted(found.theirs),
                    "seed": each,
                }
                print(json.dumps(line), flush=True)
            print(f"seed {each}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
