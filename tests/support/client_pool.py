"""Each SDK client is created once for all tests of a process: that was most of their time.

A test gets a copy with handlers and credentials of its own. What costs time is shared: the model of
the service, its methods and the connections.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from threading import Lock
from types import ModuleType
from typing import Any
from unittest.mock import patch

import botocore.useragent
import moto.core.responses
from botocore.client import ClientCreator
from botocore.config import Config
from botocore.hooks import _PrefixTrie  # type: ignore[attr-defined]
from botocore.session import Session


@contextmanager
def client_pool(prepare: Callable[[Any], None]) -> Iterator[None]:
    """Create each client once, and hand out copies of it.

    Args:
        prepare: Called with each copy.
    """
    create: Callable[..., Any] = ClientCreator.create_client
    clients: dict[object, Any] = {}
    lock = Lock()

    def create_client(
        creator: Any, *, credentials: object, client_config: Config, **options: object
    ) -> Any:
        """Stand in for `ClientCreator.create_client`."""
        options["client_config"] = client_config
        if options["verify"]:
            # The stand-in of AWS, which counts the connections of each client, has a certificate of
            # its own.
            return create(creator, credentials=credentials, **options)
        endpoint = creator._config_store.get_config_variable("endpoint_url")
        config = client_config and vars(client_config)
        key = repr(
            (options | {"client_config": config}, creator._user_agent, endpoint, _sdk_variables())
        )
        with lock:
            if key not in clients:
                clients[key] = create(creator, credentials=credentials, **options)
            client = _copy_client(clients[key], credentials)
        prepare(client)
        return client

    handlers = Session().get_component("event_emitter")
    handlers._emitter._handlers = _SharingTrie(handlers._emitter._handlers._root)

    def register_builtin_handlers(session: Any, events: Any) -> None:
        """Give a session a copy of botocore's own handlers."""
        session._events = _copy_emitter(handlers)
        session._original_handler = session._events._emitter

    with (
        patch.object(ClientCreator, "create_client", create_client),
        patch.object(Session, "_register_builtin_handlers", register_builtin_handlers),
        # Each call would find out both again.
        _cache_results(moto.core.responses, "method_names_from_class"),
        _cache_results(botocore.useragent, "sanitize_user_agent_string_component"),
    ):
        yield


def _cache_results(module: ModuleType, name: str) -> AbstractContextManager[object]:
    """Return a patch with which a module's function computes each result once."""
    return patch.object(module, name, cache(getattr(module, name)))


def _copy_client(shared: Any, credentials: object) -> Any:
    """Return a client with handlers and credentials of its own; the connections are shared."""
    # Not by copy.copy, which asks a client that has no attributes yet for some.
    client = object.__new__(type(shared))
    vars(client).update(vars(shared), _cache={})
    client.meta = copy.copy(shared.meta)
    client.meta.events = events = _copy_emitter(shared.meta.events)
    for part in ("_endpoint", "_request_signer", "_ruleset_resolver"):
        own = copy.copy(getattr(shared, part))
        own._event_emitter = events
        setattr(client, part, own)
    client._request_signer._credentials = credentials
    # The copied handler would sign with the credentials of the shared client.
    sign = f"request-created.{shared.meta.service_model.service_id.hyphenize()}"
    events.unregister(sign, shared._request_signer.handler)
    events.register(sign, client._request_signer.handler)
    return client


def _copy_emitter(shared: Any) -> Any:
    """Return an emitter of events to which handlers are added without changing the shared one."""
    events = copy.copy(shared)
    # Which names are aliases depends on nothing but botocore.
    events._alias_name_cache = shared._alias_name_cache
    return events


class _SharingTrie(_PrefixTrie):  # type: ignore[misc]
    """The handlers of an emitter: a copy shares all nodes except on the way to its changes."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root

    def __copy__(self) -> _SharingTrie:
        return _SharingTrie(self._root)

    def append_item(self, key: str, *item: object, **section: object) -> None:
        """Add a handler of an event."""
        self._copy_path_to(key)
        super().append_item(key, *item, **section)

    def remove_item(self, key: str, value: object) -> None:
        """Remove a handler of an event."""
        self._copy_path_to(key)
        super().remove_item(key, value)

    def _copy_path_to(self, key: str) -> None:
        """Replace the nodes on the way to an event by copies, which may be changed."""
        node = self._root = _copy_node(self._root)
        for part in key.split("."):
            if part not in node["children"]:
                break
            node["children"][part] = node = _copy_node(node["children"][part])


def _copy_node(node: dict[str, Any]) -> dict[str, Any]:
    """Return a node of a trie with the same children and handlers, in containers of its own."""
    return node | {"children": node["children"].copy(), "values": copy.copy(node["values"])}


def _sdk_variables() -> list[tuple[str, str]]:
    """Return the SDK's own settings, such as AWS_ENDPOINT_URL."""
    return sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))
