"""A state machine's definition as Step Functions runs it, with the steps that this project uses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# Takes the function's ARN as the definition has it, and the payload; returns the function's result.
Invoke = Callable[[str, Any], Any]


@dataclass(frozen=True, kw_only=True)
class StateMachine:
    """A state machine.

    Attributes:
        definition: Its definition.
        invoke: Invokes a function.
        read_items: Reads the object that has the items of the Map, by its key.
    """

    definition: Mapping[str, Any]
    invoke: Invoke
    read_items: Callable[[str], bytes]

    def run(self, input_: object, *, execution: Mapping[str, str]) -> Any:
        """Run an execution, and return its output.

        Args:
            input_: The execution's input.
            execution: Id, Name and StartTime, as the context object has them.
        """
        context = {"Execution": {**execution, "Input": input_}}
        return self._run(self.definition, json.loads(json.dumps(input_)), context)

    def _run(self, definition: Mapping[str, Any], data: Any, context: Mapping[str, Any]) -> Any:
        name = definition["StartAt"]
        while name:
            state = definition["States"][name]
            name = state.get("Next")
            match state["Type"]:
                case "Task":
                    payload = evaluate(state["Parameters"], data, context) if "Parameters" in state else data
                    data = self.invoke(state["Resource"], payload)
                case "Choice":
                    name = _choice(state, data)
                case "Map":
                    self._run_map(state, data, context)
                case unsupported:
                    raise ValueError(f"{unsupported} is not supported")
        return data

    def _run_map(self, state: Mapping[str, Any], data: Any, context: Mapping[str, Any]) -> None:
        assert state["ResultPath"] is None
        key = evaluate(state["ItemReader"]["Parameters"], data, context)["Key"]
        for index, item in enumerate(json.loads(self.read_items(key))):
            own = {**context, "Map": {"Item": {"Index": index, "Value": item}}}
            self._run(state["ItemProcessor"], evaluate(state["ItemSelector"], data, own), own)


def evaluate(template: Any, data: Any, context: Mapping[str, Any]) -> Any:
    """Return a payload: each key that ends in ".$" is read from the state's input or the context object."""
    if not isinstance(template, Mapping):
        return template
    return {
        key.removesuffix(".$"): (
            _value(value, data, context) if key.endswith(".$") else evaluate(value, data, context)
        )
        for key, value in template.items()
    }


def _value(path: str, data: Any, context: Mapping[str, Any]) -> Any:
    root, *names = path.split(".")
    value = {"$": data, "$$": context}[root]
    for name in names:
        value = value[name]
    return value


def _choice(state: Mapping[str, Any], data: Any) -> str:
    for choice in state["Choices"]:
        value = _value(choice["Variable"], data, {})
        if ("StringEquals" in choice and value == choice["StringEquals"]) or (
            "NumericGreaterThan" in choice and value > choice["NumericGreaterThan"]
        ):
            return str(choice["Next"])
    return str(state["Default"])
