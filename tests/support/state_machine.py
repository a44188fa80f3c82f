"""A state machine's definition as Step Functions runs it, with the steps that this project uses."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jmespath  # type: ignore[import-untyped]

# Takes the resource of a task as the definition has it, such as a function's ARN, and the payload;
# returns the result.
Invoke = Callable[[str, Any], Any]


@dataclass(eq=False)
class ExecutionFailedError(Exception):
    """A task that failed, or an execution that ended in a Fail state.

    Attributes:
        error: The error's name.
        cause: Its cause.
    """

    error: str
    cause: str


@dataclass(frozen=True, kw_only=True)
class StateMachine:
    """A state machine.

    Attributes:
        definition: Its definition.
        invoke: Does the work of a task.
    """

    definition: Mapping[str, Any]
    invoke: Invoke

    def run(self, input_: object, *, execution: Mapping[str, str]) -> Any:
        """Run an execution, and return its output.

        Args:
            input_: The execution's input.
            execution: Id, Name and StartTime, as the context object has them.
        """
        return self._run_states(
            self.definition, json.loads(json.dumps(input_)), {"Execution": execution}
        )

    def _run_states(
        self, definition: Mapping[str, Any], data: Any, context: Mapping[str, Any]
    ) -> Any:
        """Run the states of a definition, and return the data of the last one."""
        name = definition["StartAt"]
        while name:
            state = definition["States"][name]
            name = state.get("Next")
            match state["Type"]:
                case "Task":
                    # What is retried, tests/constructs/test_root_tasks_construct.py says.
                    payload = data
                    if "Parameters" in state:
                        payload = _payload(state["Parameters"], data, context)
                    try:
                        data = _data_with_result(
                            state, data, self.invoke(state["Resource"], payload)
                        )
                    except Exception as error:
                        if "Catch" not in state:
                            raise
                        (catch,) = state["Catch"]
                        name_of_error = getattr(error, "error", type(error).__name__)
                        data = _data_with_result(catch, data, {"Error": name_of_error})
                        name = catch["Next"]
                case "Choice":
                    next_states = (
                        choice["Next"] for choice in state["Choices"] if _choice_holds(choice, data)
                    )
                    name = next(next_states, None) or state["Default"]
                case "Map":
                    data = _data_with_result(state, data, self._run_map(state, data, context))
                case "Pass":
                    result = _payload(state.get("Parameters"), data, context)
                    data = _data_with_result(state, data, state.get("Result", result))
                case "Fail":
                    raise ExecutionFailedError(state["Error"], _value(state["CausePath"], data))
                case other:
                    assert other == "Succeed", f"{other} is not supported"
        return data

    def _run_map(
        self, state: Mapping[str, Any], data: Any, context: Mapping[str, Any]
    ) -> list[Any]:
        """Run the states of a Map for each item, and return their outputs."""
        results = []
        for item in _value(state["ItemsPath"], data):
            item_context = {**context, "Map": {"Item": {"Value": item}}}
            payload = _payload(state["ItemSelector"], data, item_context)
            results.append(self._run_states(state["ItemProcessor"], payload, item_context))
        return results


def _data_with_result(state: Mapping[str, Any], data: Any, result: Any) -> Any:
    """Return the data after a state, with its result where ResultPath says."""
    path = state.get("ResultPath", "$")
    return result if path == "$" else {**data, path.removeprefix("$."): result}


def _payload(template: Any, data: Any, context: Mapping[str, Any]) -> Any:
    """Return a payload, in which keys that end in ".$" are read from the input or the context."""
    if not isinstance(template, Mapping):
        return template
    return {
        key.removesuffix(".$"): (
            _value(value, data, context) if key.endswith(".$") else _payload(value, data, context)
        )
        for key, value in template.items()
    }


def _value(path: str, data: Any, context: Mapping[str, Any] | None = None) -> Any:
    """Return the value of a path, which has to be there."""
    root, _, steps = path.partition(".")
    value = {"$": data, "$$": context}[root]
    if steps:
        value = jmespath.search(steps, value)
    assert value is not None, f"{path} is missing"
    return value


def _choice_holds(condition: Mapping[str, Any], data: Any) -> bool:
    """Return whether the condition of a choice holds for the data."""
    match condition:
        case {"Or": parts}:
            return any(_choice_holds(part, data) for part in parts)
        case {"IsPresent": True, "Variable": path}:
            return jmespath.search(path.removeprefix("$."), data) is not None
        case {"StringEquals": value, "Variable": path} | {"BooleanEquals": value, "Variable": path}:
            return bool(_value(path, data) == value)
    raise ValueError(f"{condition} is not supported")
