"""What CloudFormation makes of a template: conditions decided, functions resolved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_NO_VALUE = object()


@dataclass(frozen=True, kw_only=True)
class _Resolver:
    conditions: Mapping[str, Any]
    values: Mapping[str, Any]

    def resolve(self, value: Any) -> Any:
        """Return a value with its parameters and conditions; references to resources stay."""
        match value:
            case {"Ref": name}:
                return _NO_VALUE if name == "AWS::NoValue" else self.values.get(name, value)
            case {"Fn::If": [condition, first, second]}:
                return self.resolve(first if self.holds({"Condition": condition}) else second)
            case {"Fn::Join": [separator, parts]}:
                return _join(separator, self.resolve(parts))
            case {"Fn::Split": [separator, text]}:
                whole = self.resolve(text)
                # The ARN of a resource is not known here.
                return (
                    whole.split(separator)
                    if isinstance(whole, str)
                    else {"Fn::Split": [separator, whole]}
                )
            case {"Fn::Sub": str(text)}:
                for name, replacement in self.values.items():
                    text = text.replace(f"${{{name}}}", str(replacement))
                return text
            case dict():
                members = {key: self.resolve(member) for key, member in value.items()}
                return {key: member for key, member in members.items() if member is not _NO_VALUE}
            case list():
                return [element for element in map(self.resolve, value) if element is not _NO_VALUE]
        return value

    def holds(self, expression: Any) -> bool:
        """Return whether a condition holds."""
        match expression:
            case {"Condition": name}:
                return self.holds(self.conditions[name])
            case {"Fn::Equals": [first, second]}:
                return bool(self.resolve(first) == self.resolve(second))
            case {"Fn::Not": [negated]}:
                return not self.holds(negated)
            case {"Fn::And": terms}:
                return all(map(self.holds, terms))
            case {"Fn::Or": terms}:
                return any(map(self.holds, terms))
        raise ValueError(expression)


def _join(separator: str, parts: list[Any]) -> Any:
    """Return joined texts as one text, or as one Fn::Join where a part is known to AWS only."""
    texts: list[Any] = []
    for number, part in enumerate(parts):
        part = str(part) if isinstance(part, int) else part
        inner = part["Fn::Join"][1] if isinstance(part, dict) and "Fn::Join" in part else [part]
        for piece in [*([separator] if number else []), *inner]:
            if isinstance(piece, str) and texts and isinstance(texts[-1], str):
                texts[-1] += piece
            elif piece != "":
                texts.append(piece)
    if all(isinstance(text, str) for text in texts):
        return "".join(texts)
    return {"Fn::Join": ["", texts]}


def resolved_sections(
    template: Mapping[str, Any], parameters: Mapping[str, Any], *, region: str, account_id: str
) -> dict[str, Any]:
    """Return the resources and outputs that exist, with their values.

    Args:
        template: The template.
        parameters: The parameters' values; others have their defaults.
        region: The stack's Region.
        account_id: The stack's account.
    """
    defaults = {
        name: parameter["Default"]
        for name, parameter in template.get("Parameters", {}).items()
        if "Default" in parameter
    }
    pseudo = {"AWS::Region": region, "AWS::AccountId": account_id, "AWS::Partition": "aws"}
    resolver = _Resolver(
        conditions=template.get("Conditions", {}), values={**defaults, **pseudo, **parameters}
    )
    sections = {}
    for section in ("Resources", "Outputs"):
        existing = {
            name: entry
            for name, entry in template.get(section, {}).items()
            if "Condition" not in entry or resolver.holds({"Condition": entry["Condition"]})
        }
        sections[section] = {
            name: resolver.resolve(
                {key: value for key, value in entry.items() if key != "Condition"}
            )
            for name, entry in existing.items()
        }
    for resource in sections["Resources"].values():
        # DependsOn cannot name a resource that may not exist: the metadata refers to it instead.
        references = resource.pop("Metadata", {}).get("DependsOn", [])
        names = {*resource.pop("DependsOn", []), *(reference["Ref"] for reference in references)}
        assert names <= sections["Resources"].keys()
        if names:
            resource["DependsOn"] = sorted(names)
    return sections
