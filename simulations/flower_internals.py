"""The two internals of Flower 1.41 that a Grid of our own must touch; nothing else may.

A `Message` can only be made in a process that has a task identity, and a grid gives each message
its id. Flower's own launcher does the same in `run_simulation`.
"""

from __future__ import annotations

from flwr.app import Message
from flwr.supercore.task_identity import TaskIdentity

_SERVER_NODE = 1


def assume_identity(run_id: int) -> None:
    """Let this process make messages."""
    TaskIdentity.run_id = run_id
    TaskIdentity.task_id = run_id
    TaskIdentity.node_id = _SERVER_NODE


def stamp(message: Message, message_id: str) -> None:
    """Give a message its id."""
    message.metadata.__dict__["_message_id"] = message_id
