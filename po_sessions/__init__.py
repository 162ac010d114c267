"""Named, persistent conversation sessions for prompt objects.

::

    from po_sessions import Environment, ModelPaths

    env = Environment.open(".prompt_objects", model_paths=ModelPaths(cache="…", runtime="/tmp"))
    session = env.session_manager.begin("greeter")
    answer = env.prompt_object("greeter").receive("Hello", context=env.context(session), session=session)
    print(answer.reply.content)

The layers, each importing only what stands below it::

    cli                          the command `po`
    environment                  one `.prompt_objects` directory, opened; where the parts are joined
    turns      doctor            one turn; the examination of one environment
    sessions                     what can be done with sessions, whatever the model
    storage  models  formats  prompt_objects
                                 what multiplies; they never import each other
    message  session  pointers  settings   the nouns
    layout                       the on-disk form, read with little
    text  errors                 ground

The names below are imported when they are first used.
"""

TYPE_CHECKING = False  # `typing` takes as long to import as a whole `po status`
if TYPE_CHECKING:
    from typing import Any

    from po_sessions.environment import Environment
    from po_sessions.errors import Advice, PoError
    from po_sessions.message import Message, Turn
    from po_sessions.models import Chunk, ModelBackend, ModelPaths, Reply
    from po_sessions.prompt_objects.definition import Definition
    from po_sessions.session import Session, SessionSummary
    from po_sessions.sessions.manager import SessionManager
    from po_sessions.storage import SessionStore, open_storage
    from po_sessions.turns.prompt_object import Answer, Context, PromptObject

__version__ = "0.1.0"

_HOMES = {
    "Advice": "errors",
    "Answer": "turns.prompt_object",
    "Chunk": "models",
    "Context": "turns.prompt_object",
    "Definition": "prompt_objects.definition",
    "Environment": "environment",
    "Message": "message",
    "ModelBackend": "models",
    "ModelPaths": "models",
    "PoError": "errors",
    "PromptObject": "turns.prompt_object",
    "Reply": "models",
    "Session": "session",
    "SessionManager": "sessions.manager",
    "SessionStore": "storage",
    "SessionSummary": "session",
    "Turn": "message",
    "open_storage": "storage",
}

__all__ = [
    "Advice",
    "Answer",
    "Chunk",
    "Context",
    "Definition",
    "Environment",
    "Message",
    "ModelBackend",
    "ModelPaths",
    "PoError",
    "PromptObject",
    "Reply",
    "Session",
    "SessionManager",
    "SessionStore",
    "SessionSummary",
    "Turn",
    "open_storage",
]


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"po_sessions.{_HOMES[name]}"), name)
