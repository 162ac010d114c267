"""`po session compact`: a summary stands for what was said before it, in what a model is sent and nowhere else."""

from __future__ import annotations

import json
import re

import pytest
from support.scripted import Script, ScriptedBackend
from support.stored import history

from po_sessions.errors import ContextTooLong, Interrupted, ModelError
from po_sessions.turns.compaction import summarize


def sent(backend):
    return [(one["role"], one["content"]) for one in backend.asked[-1]["messages"]]


@pytest.fixture
def talk(root, po, backend):
    """A session of two turns."""
    for text in ("I am Ada", "I have two cats"):
        assert po("send", "greeter", text).exit_code == 0
    backend.script = Script(says="Ada has two cats.")


def test_the_summary_is_sent_in_place_of_what_it_stands_for(root, po, backend, talk):
    before = history(po)
    done = po("session", "compact")
    assert (done.exit_code, done.stdout) == (0, "Ada has two cats.\n")
    (_, task), (_, text) = sent(backend)
    assert task.startswith("You sum up conversations.")
    assert text == (
        "User: I am Ada\n\nAssistant: I am Ada\n\nUser: I have two cats\n\nAssistant: I have two cats\n\n"
        "Sum up this conversation."
    )
    assert history(po)[:-1] == before
    added = history(po)[-1]
    assert (added["role"], added["content"], added["stands_for"]) == ("system", "Ada has two cats.", 4)
    assert added["usage"]["output"] == 4
    backend.script = None
    assert po("send", "greeter", "Who am I?").exit_code == 0
    (role, system), last = sent(backend)
    assert (role, last) == ("system", ("user", "Who am I?"))
    assert system.endswith("\n\nSummary of the conversation before this:\n\nAda has two cats.")
    assert po("send", "greeter", "And now?").exit_code == 0
    assert [text for _, text in sent(backend)[1:]] == ["Who am I?", "Who am I?", "And now?"]


def test_the_record_shows_and_exports_everything(root, po, talk):
    assert po("session", "compact").exit_code == 0
    shown = po("session", "show").stdout
    assert "I am Ada" in shown
    assert "[5] system" in shown
    assert "stands for what is before it" in shown
    assert po("session", "show", "--last").stdout == "I have two cats\n"  # the summary is no reply
    exported = po("session", "export").stdout
    assert po("session", "import", "-", "--po", "greeter", input=exported).exit_code == 0
    assert "(5 messages, 2 turns" in shown
    assert po("session", "list").stdout.split("\t")[4:7] == ["5", "2", "done"]


def test_a_summary_of_a_summary(root, po, backend, talk):
    assert po("session", "compact").exit_code == 0
    backend.script = None
    assert po("send", "greeter", "One is called Byron").exit_code == 0
    backend.script = Script(says="Ada has Byron and another cat.")
    assert po("session", "compact").exit_code == 0
    text = sent(backend)[1][1]
    assert text.startswith("Summary of the conversation before this:\n\nAda has two cats.\n\nUser: One is called Byron")
    assert "I am Ada" not in text
    dry = json.loads(po("send", "greeter", "Hi", "--dry-run", "--json").stdout)["messages"]
    assert dry[0]["content"].endswith("\n\nAda has Byron and another cat.")
    assert len(dry) == 2


def test_undo_takes_the_newest_summary_out_also_from_the_middle(root, po, backend, talk):
    before = history(po)
    assert po("session", "compact").exit_code == 0
    backend.script = None
    assert po("send", "greeter", "Who am I?").exit_code == 0
    after = history(po)
    done = po("session", "compact", "--undo", "--json")
    assert done.exit_code == 0
    assert [one["content"] for one in history(po)] == [one["content"] for one in before + after[5:]]
    assert po("send", "greeter", "Hi").exit_code == 0
    assert [text for _, text in sent(backend)[1:]][::2] == ["I am Ada", "I have two cats", "Who am I?", "Hi"]
    (entry,) = json.loads(po("trash", "list", "--json").stdout)
    assert entry["id"] == json.loads(done.stdout)["trash_id"]
    refused = po("trash", "restore", entry["id"])
    assert refused.exit_code == 5
    again = po("session", "compact", "--undo")
    assert again.exit_code == 5
    assert "has no summary" in again.stderr


def test_undo_of_the_last_turn_takes_its_summary_along(root, po, backend, talk):
    assert po("session", "compact").exit_code == 0
    assert po("session", "undo").exit_code == 0
    assert [one["content"] for one in history(po)] == ["I am Ada", "I am Ada"]
    (entry,) = json.loads(po("trash", "list", "--json").stdout)
    assert po("trash", "restore", entry["id"]).exit_code == 0
    assert len(history(po)) == 5


def test_nothing_to_sum_up(root, po, backend, talk):
    assert po("session", "new", "Empty", "--po", "greeter").exit_code == 0
    assert po("session", "compact", "Empty").exit_code == 5
    assert po("session", "compact").exit_code == 0
    assert po("session", "compact").exit_code == 5
    assert po("session", "compact", "--undo", "--model", "x").exit_code == 2


@pytest.mark.parametrize("stop", [ModelError("The script says so."), KeyboardInterrupt()])
def test_a_failure_stores_nothing(stop, root, po, backend, talk):
    before = history(po)
    backend.script = Script(says="Ada has", error=stop, error_at=1)
    done = po("session", "compact")
    assert done.exit_code == (8 if isinstance(stop, ModelError) else 130)
    assert history(po) == before


def test_an_empty_summary_is_a_failure(root, po, backend, talk):
    backend.script = Script(says=" ")
    done = po("session", "compact")
    assert done.exit_code == 8
    assert "gave no summary" in done.stderr
    assert len(history(po)) == 4


def test_a_turn_without_an_answer_has_to_be_dealt_with_first(root, po, backend, talk):
    backend.script = Script(error=ModelError("The script says so."))
    assert po("send", "greeter", "More").exit_code == 8
    done = po("session", "compact")
    assert done.exit_code == 5
    assert "po session retry" in done.stderr
    assert len(history(po)) == 6


def test_as_json(root, po, talk):
    made = json.loads(po("session", "compact", "--json").stdout)
    assert {key: made[key] for key in ("version", "session_name", "po_name", "summary", "stands_for", "model")} == {
        "version": 1, "session_name": "Default", "po_name": "greeter", "summary": "Ada has two cats.", "stands_for": 4,
        "model": "scripted-1",
    }  # fmt: skip


class Narrow(ScriptedBackend):
    """Takes at most so many words, and says the first word of each line."""

    most = 30

    def complete(self, messages, **arguments):
        text = messages[-1]["content"]
        if len(text.split()) > self.most:
            raise ContextTooLong("Too long.")
        said = " ".join(line.split()[-1] for line in text.split("\n\n")[:-1])
        return ScriptedBackend(script=Script(says=said)).complete(messages, **arguments)


def test_what_is_too_long_is_summed_up_in_parts():
    said = [
        {"role": role, "content": f"{'word ' * 5}{role[0]}{turn}"}
        for turn in range(8)
        for role in ("user", "assistant")
    ]
    reply = summarize(said, Narrow(), "narrow", {})
    assert reply.message["content"].split()[-3:] == ["a6", "u7", "a7"]
    assert reply.usage["output"] > len(reply.message["content"].split())
    with pytest.raises(ContextTooLong):
        summarize([{"role": "user", "content": "word " * 40}], Narrow(), "narrow", {})


def test_an_interrupt_says_that_nothing_was_added():
    with pytest.raises(Interrupted, match="no summary was added"):
        summarize(
            [{"role": "user", "content": "Hi"}], ScriptedBackend(script=Script("x", KeyboardInterrupt())), "x", {}
        )


@pytest.mark.slow
def test_with_the_real_model_also_in_parts(root, po, model):
    for text in ("My name is Ada and I have two cats.", "I need a present for my brother Tom.", "He likes to sail."):
        assert po("send", "greeter", text, "--option", "max_tokens=90").exit_code == 0
    refused = po("send", "greeter", "word " * 300, "--option", "n_ctx=256")
    assert refused.exit_code == 8
    assert re.search("--context last:N, or po session undo [0-9A-Z]+ && po session compact", refused.stderr)
    assert po("session", "undo").exit_code == 0
    whole = json.loads(po("session", "compact", "--json").stdout)
    assert whole["stands_for"] == 6
    assert whole["summary"].strip()
    assert po("session", "compact", "--undo").exit_code == 0
    narrow = po("session", "compact", "--json", "--option", "n_ctx=256", "--option", "max_tokens=30")
    assert narrow.exit_code == 0, narrow.stderr
    assert json.loads(narrow.stdout)["usage"]["input"] > whole["usage"]["input"]
    answer = json.loads(po("send", "greeter", "Who am I?", "--json").stdout)
    assert answer["context"] == {"turns": 0, "trimmed": False, "left_out": 0, "mended": 0}
