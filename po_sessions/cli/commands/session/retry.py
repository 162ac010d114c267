"""The verb `po session retry`."""

from __future__ import annotations

from dataclasses import replace

import typer

from po_sessions.cli.app.hints import Command, Hint
from po_sessions.cli.app.invocation import Invocation
from po_sessions.cli.app.options import ContextLimit, Model, ModelOptions, NoStream, Po, Ref, Timeout
from po_sessions.cli.app.turn import ask, backup_policy, make_ready, to_asking
from po_sessions.cli.app.verb import Verb
from po_sessions.errors import (
    PromptObjectNotFound,
)


def retry(
    ctx: typer.Context,
    ref: Ref = None,
    po: Po = None,
    model: Model = None,
    option: ModelOptions = None,
    context_limit: ContextLimit = None,
    timeout: Timeout = None,
    no_stream: NoStream = False,
) -> None:
    """Ask again what failed or was interrupted, and print the reply.

    Only the last turn can be asked again; one with others after it cannot, nor one that was answered: exit 5. The reply
    is added to the turn; what had arrived before stays in the record, and out of what the model is sent.

    The model gets the turn's message again. If it had called tools, it also gets its calls up to the last round that
    has all its results, and goes on from there.

    The model is chosen anew: --model, else the prompt object's, else the default. One that was named for the turn that
    failed has to be named again.
    """
    run: Invocation = ctx.obj
    asking = to_asking(model, option, context_limit, timeout)
    env = run.environment(to_send=True)
    session = env.session_manager.find(run.session_ref(ref), run.known_po(po))
    if session.po_name not in env.definitions:
        raise PromptObjectNotFound(
            session.po_name,
            advice=Hint("Run ", Command("session adopt", session.id, po="PO"), " to give the session another."),
        )
    prompt_object = env.prompt_object(session.po_name)
    idle = run.settings.idle_timeout
    context = asking.context(env, session, idle, make_ready(run, env, prompt_object, asking))
    context = replace(context, backup_policy=backup_policy(run, session))
    ask(run, prompt_object, context, None, stream=not no_stream)


ABOUT = Verb(
    retry,
    after="undo",
    waits=True,
    examples={
        "po session retry nightly": "Ask again what failed.",
        "po session retry weekly --option temperature=0.2": "Ask again in another way.",
    },
    see_also=["send", "session undo", "model"],
    exit_codes=[4, 5, 6, 7, 8],
)
