"""The commands: one file for each verb, one package for each noun."""

from __future__ import annotations

from po_sessions.cli.app.verb import Noun

ABOUT = Noun(
    """Named, persistent conversation sessions for prompt objects.

    A prompt object is a Markdown file whose body is the system prompt of a language model; a session is one
    conversation with it. Try: po send greeter "Hello"
    """,
    large=True,
    examples={
        "po init": "Make an environment for the working directory, with starter prompt objects.",
        'po send greeter "Hello"': "Say something. The first message makes the session Default.",
        'po send greeter "And again"': "Go on in it: the model sees what was said.",
        'po session new "Second thoughts" --po greeter --switch': "Begin another conversation, and make it current.",
        "po session list": "See which there are.",
        "po session show @previous": "Read the one that was current before.",
    },
)
