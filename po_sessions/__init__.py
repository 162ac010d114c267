"""Named, persistent conversation sessions for prompt objects.

::

    from po_sessions import Environment, ModelPaths

    env = Environment.open(".prompt_objects", model_paths=ModelPaths(cache="…", runtime="/tmp"))
    session = env.session_manager.begin("greeter")
    answer = env.prompt_object("greeter").receive("Hello", context=env.context(session))
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

    from po_sessions.changes import End
    from po_sessions.environment import Environment
    from po_sessions.errors import (
        Advice,
        Advised,
        AmbiguousSelector,
        Busy,
        Conflict,
        ContextTooLong,
        ForeignDirectory,
        Interrupted,
        InvalidInput,
        ModelError,
        ModelUnavailable,
        NewerVersion,
        NoCurrent,
        NoKey,
        NotFound,
        OutOfMemory,
        PoError,
        PromptObjectNotFound,
        RateLimited,
        Refused,
        ReplyNotStored,
        SessionNotFound,
        Several,
        TimedOut,
        Unfinished,
        UnknownModel,
        Unreachable,
        Unreadable,
        WeightsMissing,
        WriteFailed,
    )
    from po_sessions.message import Message, Turn, TurnState
    from po_sessions.models import Chunk, ModelBackend, ModelInfo, ModelPaths, Reply
    from po_sessions.models.time_limit import TimeLimit
    from po_sessions.pointers import MemoryPointers, Pointer, PointerFile, Pointers, PointerStore
    from po_sessions.prompt_objects.definition import Definition, Limit
    from po_sessions.prompt_objects.directory import Definitions
    from po_sessions.schema import Parent, Totals
    from po_sessions.session import Session, SessionRef, SessionSummary
    from po_sessions.sessions.backups import BackupPolicy, Restored, SessionBackups
    from po_sessions.sessions.importing import Imported
    from po_sessions.sessions.manager import SessionManager
    from po_sessions.sessions.pruning import Choice, Criteria, Pruned, Selection
    from po_sessions.sessions.trash import SessionTrash
    from po_sessions.storage import (
        Backups,
        LocalFiles,
        Maintenance,
        Notice,
        OnGap,
        SessionStore,
        Trash,
        Watch,
        ability,
        open_storage,
    )
    from po_sessions.storage.records import Backup, HeldTurn, SessionStat, TrashEntry
    from po_sessions.turns.plan import Asked
    from po_sessions.turns.prompt_object import Answer, Context, PromptObject
    from po_sessions.turns.window import Window

__version__ = "0.1.0"

_HOMES = {
    "Advice": "errors",
    "Advised": "errors",
    "AmbiguousSelector": "errors",
    "Answer": "turns.prompt_object",
    "Asked": "turns.plan",
    "Backup": "storage.records",
    "BackupPolicy": "sessions.backups",
    "Backups": "storage",
    "Busy": "errors",
    "Choice": "sessions.pruning",
    "Chunk": "models",
    "Conflict": "errors",
    "Context": "turns.prompt_object",
    "ContextTooLong": "errors",
    "Criteria": "sessions.pruning",
    "Definition": "prompt_objects.definition",
    "Definitions": "prompt_objects.directory",
    "End": "changes",
    "Environment": "environment",
    "ForeignDirectory": "errors",
    "HeldTurn": "storage.records",
    "Imported": "sessions.importing",
    "Interrupted": "errors",
    "InvalidInput": "errors",
    "Limit": "prompt_objects.definition",
    "LocalFiles": "storage",
    "Maintenance": "storage",
    "MemoryPointers": "pointers",
    "Message": "message",
    "ModelBackend": "models",
    "ModelError": "errors",
    "ModelInfo": "models",
    "ModelPaths": "models",
    "ModelUnavailable": "errors",
    "NewerVersion": "errors",
    "NoCurrent": "errors",
    "NoKey": "errors",
    "NotFound": "errors",
    "Notice": "storage",
    "OnGap": "storage",
    "OutOfMemory": "errors",
    "Parent": "schema",
    "PoError": "errors",
    "Pointer": "pointers",
    "PointerFile": "pointers",
    "PointerStore": "pointers",
    "Pointers": "pointers",
    "PromptObject": "turns.prompt_object",
    "PromptObjectNotFound": "errors",
    "Pruned": "sessions.pruning",
    "RateLimited": "errors",
    "Refused": "errors",
    "Reply": "models",
    "ReplyNotStored": "errors",
    "Restored": "sessions.backups",
    "Selection": "sessions.pruning",
    "Session": "session",
    "SessionBackups": "sessions.backups",
    "SessionManager": "sessions.manager",
    "SessionNotFound": "errors",
    "SessionRef": "session",
    "SessionStat": "storage.records",
    "SessionStore": "storage",
    "SessionSummary": "session",
    "SessionTrash": "sessions.trash",
    "Several": "errors",
    "TimeLimit": "models.time_limit",
    "TimedOut": "errors",
    "Totals": "schema",
    "Trash": "storage",
    "TrashEntry": "storage.records",
    "Turn": "message",
    "TurnState": "message",
    "Unfinished": "errors",
    "UnknownModel": "errors",
    "Unreachable": "errors",
    "Unreadable": "errors",
    "Watch": "storage",
    "WeightsMissing": "errors",
    "Window": "turns.window",
    "WriteFailed": "errors",
    "ability": "storage",
    "open_storage": "storage",
}

__all__ = [
    "Advice",
    "Advised",
    "AmbiguousSelector",
    "Answer",
    "Asked",
    "Backup",
    "BackupPolicy",
    "Backups",
    "Busy",
    "Choice",
    "Chunk",
    "Conflict",
    "Context",
    "ContextTooLong",
    "Criteria",
    "Definition",
    "Definitions",
    "End",
    "Environment",
    "ForeignDirectory",
    "HeldTurn",
    "Imported",
    "Interrupted",
    "InvalidInput",
    "Limit",
    "LocalFiles",
    "Maintenance",
    "MemoryPointers",
    "Message",
    "ModelBackend",
    "ModelError",
    "ModelInfo",
    "ModelPaths",
    "ModelUnavailable",
    "NewerVersion",
    "NoCurrent",
    "NoKey",
    "NotFound",
    "Notice",
    "OnGap",
    "OutOfMemory",
    "Parent",
    "PoError",
    "Pointer",
    "PointerFile",
    "PointerStore",
    "Pointers",
    "PromptObject",
    "PromptObjectNotFound",
    "Pruned",
    "RateLimited",
    "Refused",
    "Reply",
    "ReplyNotStored",
    "Restored",
    "Selection",
    "Session",
    "SessionBackups",
    "SessionManager",
    "SessionNotFound",
    "SessionRef",
    "SessionStat",
    "SessionStore",
    "SessionSummary",
    "SessionTrash",
    "Several",
    "TimeLimit",
    "TimedOut",
    "Totals",
    "Trash",
    "TrashEntry",
    "Turn",
    "TurnState",
    "Unfinished",
    "UnknownModel",
    "Unreachable",
    "Unreadable",
    "Watch",
    "WeightsMissing",
    "Window",
    "WriteFailed",
    "ability",
    "open_storage",
]


def __getattr__(name: str) -> "Any":
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"po_sessions.{_HOMES[name]}"), name)
