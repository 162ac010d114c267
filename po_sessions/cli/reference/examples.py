"""The examples of the manual pages, by the words of the page's command: a line for the shell, and what it does.

`tests/test_examples.py` runs them in the order in which they stand, each page's in the environment that is made there.
"""

from __future__ import annotations

EXAMPLES: dict[str, dict[str, str]] = {
    "": {
        "po init": "Make an environment for the working directory, with starter prompt objects.",
        'po send greeter "Hello"': "Say something. The first message makes the session Default.",
        'po send greeter "And again"': "Go on in it: the model sees what was said.",
        'po session new "Second thoughts" --po greeter --switch': "Begin another conversation, and make it current.",
        "po session list": "See which there are.",
        "po session show @previous": "Read the one that was current before.",
    },
    "send": {
        'po send greeter "Hello"': "Send a message to the prompt object's current session.",
        'po send greeter -s "Debug task" "Why is the sky blue?"': "Send it to another one.",
        'po send greeter --new -s "Lesson 1" --switch "What is a prime?"': "Begin a session, and make it current.",
        'echo "Water boils at 100 degrees." | po send reader': "A pipe is a message.",
        'po send reader "Summarise this:" --file notes.txt': "So is a file, behind what is said.",
        'po send reader --no-save "What is 2 + 2?"': "Ask outside any session, and store nothing.",
        "po send greeter -s nightly --create --json Hi | jq -r .reply": "Only the reply, in a script.",
        'po send greeter --idempotency-key monday "Good morning"': "However often it is repeated, ask once.",
        'po send greeter --dry-run "What would you get?"': "See the exact messages, and send none.",
        'po send greeter -o max_tokens=8 -- "-5 degrees, is that cold?"': "A message that begins with a hyphen.",
    },
    "session": {
        'po session new "Lesson 1" --po greeter --switch': "Begin a conversation, and make it current.",
        "po session list --all": "See those of every prompt object.",
        "po session switch -": "Go back to the one before.",
        'po session rename "Lesson 1" "Primes"': "Give one another name.",
        "po session delete Primes": "Move one to the trash.",
        "po trash restore Primes": "Bring it back.",
    },
    "session new": {
        'po session new "Release notes"': "Make a session of the current prompt object.",
        'id=$(po session new Scratch) && po send greeter -s "$id" Hello': "Make one and use it, in a script.",
        "po session new --po reader --switch": "Make one with a name of its own for another, and go there.",
    },
    "session ensure": {
        "po session ensure nightly --po greeter": "Make the session nightly; do nothing if it is there.",
        'po send greeter -s "$(po session ensure nightly)" "Good night"': "The same, and send a message to it.",
    },
    "session list": {
        "po session list": "List those of the current prompt object.",
        "po session list --all -n 10": "List the ten used last, whatever their prompt object.",
        "po session list --all | cut -f 3,4,5": "Only prompt object, name and number of messages.",
        "po session list --ids | wc -l": "Count them.",
        r"po session list --format '{name}\t{message_count}'": "Choose the columns.",
        "po session list --ids -0 | xargs -r0 -n1 po session path": "Do something with each.",
        "po session list --all --json | jq -r '.[] | select(.orphaned) | .name'": "Choose by what they are.",
    },
    "session show": {
        "po session show": "Read the current session.",
        'po session show "Debug task" --range -4:-1': "Read the last four messages of another.",
        "po session show --po reader --last": "Read the last reply of the prompt object reader.",
        "po session show @last --json | jq '.history | length'": "Count the messages of the one used last.",
    },
    "session current": {
        "po session current": "See which session the next plain message goes to.",
        "po session current --all": "See which it is for each prompt object.",
        "PO_SESSION=$(po session current --ids) && export PO_SESSION": "Keep to it in this shell, whoever switches.",
    },
    "session switch": {
        'po session switch "Debug task"': "Make a session the current one.",
        "po session switch -": "Go back to the one before.",
        "po session switch Default --po reader": "Go to a session of another prompt object.",
    },
    "session rename": {
        'po session rename "Debug task" "Blue sky"': "Give a session another name.",
        'po session rename @current "Tea"': "Give the current one another name.",
    },
    "session delete": {
        'po session delete "Debug task"': "Move a session to the trash.",
        'po trash restore "Debug task"': "Bring it back.",
        "po session delete nightly --purge --yes": "Remove one for good.",
        "po session list --orphaned --ids | xargs -r po session delete": "Move all without a prompt object.",
    },
    "session duplicate": {
        'po session duplicate @current "Before the change"': "Keep a copy of the current session.",
        'po session duplicate "Debug task" --to reader --switch': "Go on with another prompt object, in a copy.",
    },
    "session adopt": {
        "po session list --orphaned": "See which sessions have no prompt object.",
        'po session adopt "Old notes" --po greeter': "Give one to greeter.",
    },
    "session undo": {
        "po session undo": "Take the last message and its reply back.",
        'po session undo "Debug task" -n 2': "Take two turns of another session back,",
        'po trash restore "Debug task"': "and bring them in again.",
    },
    "session retry": {
        "po session retry nightly": "Ask again what failed.",
        "po session retry weekly --option temperature=0.2": "Ask again in another way.",
    },
    "session path": {
        "po session path": "See where the current session is.",
        "jq '.history[-1].content' \"$(po session path 'Debug task')\"": "Read a file with another program.",
    },
    "session export": {
        "po session export > default.md": "Write the current session as Markdown.",
        'po session export "Debug task" --format json | jq .history': "Hand a session to another program.",
        "po session export --all --output saved.jsonl": "Write every session to one file.",
        "po session export --all --format markdown -o sessions/": "Write a file for each into a directory.",
    },
    "session import": {
        "po session import default.md saved.jsonl": "Read what was exported.",
        "po session import default.md --po reader": "Give it to another prompt object.",
        "po --root ~ session export --all | po session import -": "Copy the sessions of another environment.",
    },
    "session prune": {
        "po session prune --older-than 90d": "Show the sessions that have been idle for 90 days,",
        "po session prune --older-than 90d --yes": "and move them to the trash.",
        "po session prune --older-than 90d --keep-last 20 --all --yes": "The same for all, every night, but for "
        "the newest 20 of each prompt object.",
        "po session prune --empty --all --yes": "Move those without messages.",
        "po session prune --max-size 500MB --all": "Show what is too much.",
    },
    "session compact": {
        "po session compact": "Sum up the current session.",
        "po session compact --undo": "Have all of it sent again.",
        'po session compact "Debug task" --option max_tokens=64': "Have a short summary of another.",
    },
    "trash": {
        "po trash list": "See what was deleted or undone.",
        'po trash restore "Recipes"': "Bring a session back.",
        "po trash empty --older-than 30d --yes": "Remove for good what has lain there for a month.",
    },
    "backup": {
        "po backup create": "Copy the current session.",
        "po backup create --all": "Copy every session.",
        'po backup list "Debug task"': "List the copies of a session.",
        "po backup restore \"$(po backup list 'Debug task' --ids | head -n 1)\"": "Put it back to the newest.",
        'po backup restore "$(po backup list --ids | head -n 1)" --as Earlier': "Make a session of a copy, beside "
        "what is there.",
    },
    "object": {
        "po object list": "See which prompt objects there are.",
        'po object new tutor --description "Teaches." --body "You ask."': "Make one.",
        '"${EDITOR:-vi}" "$(po object path tutor)"': "Change it.",
        "po object switch tutor": "Make it the current one, which '.' stands for.",
        "po object rename tutor teacher": "Give it another name; its sessions go with it.",
        "po object delete teacher": "Move its file to the trash; its sessions stay.",
    },
    "model": {
        "po model list": "See which models can answer.",
        "po model pull": "Fetch the embedded one, or check that it is whole.",
        "po model default gpt-4o-mini": "Choose another where none is named; 'llm keys set openai' gives it its key.",
    },
    "config": {
        "po config list": "See all settings, and where each comes from.",
        "po config set backup.interval 12h": "Have turns make a backup if the newest is older than twelve hours.",
        "po config get backup.interval": "See what is in force.",
        "po config unset backup.interval": "Go back to the default.",
    },
    "doctor": {
        'po doctor || echo "Something is wrong."': "Check the environment.",
        "po doctor --json | jq -r '.[] | select(.fault).message'": "Only what is wrong, in a script.",
        "po doctor --repair": "Repair what can be.",
    },
    "init": {
        "po init": "Make an environment for the working directory and those below it.",
        "mkdir notes && po init notes": "Make one for another directory.",
    },
    "status": {
        "po status": "See where the next plain message goes.",
        "po status --format '{po_name}: {session_name}'": "The same, in any form.",
        "PS1='$(po status 2>/dev/null) \\$ '": "Have it in the prompt of a shell.",
    },
    "completion": {
        "source <(po completion bash)": "Try it out.",
        "po completion zsh --install": "Install it for yourself.",
    },
}
