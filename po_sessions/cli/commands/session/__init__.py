"""The noun `po session`."""

from __future__ import annotations

from po_sessions.cli.app.verb import Noun

ABOUT = Noun(
    "Make, list, show, switch, copy, exchange and delete sessions.",
    after="send",
    large=True,
    examples={
        'po session new "Lesson 1" --po greeter --switch': "Begin a conversation, and make it current.",
        "po session list --all": "See those of every prompt object.",
        "po session switch -": "Go back to the one before.",
        'po session rename "Lesson 1" "Primes"': "Give one another name.",
        "po session delete Primes": "Move one to the trash.",
        "po trash restore Primes": "Bring it back.",
    },
    see_also=["send", "trash", "backup", "object"],
)
