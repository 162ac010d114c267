"""The commands as completion sees them. Generated; see completion.py, which `cli.reference` runs."""

# fmt: off

EVERYWHERE = (
    (('--root',), 'Use the environment DIR.', 'directories'),
    (('--quiet', '-q'), 'Print no remarks and no warnings.', None),
    (('--json',), 'Print the result, or the error, as JSON.', None),
    (('--debug',), 'Print the traceback of an error, unless --json.', None),
    (('--help', '-h'), 'Print this and exit.', None),
)
"""The options of every command."""

COMMANDS = {
    '': (
        (
            ('send', 'Send one message to a prompt object and print the reply.'),
            ('session', 'Make, list, show, switch, copy, exchange and delete sessions.'),
            ('trash', 'List, restore and empty what was deleted or undone.'),
            ('backup', 'Copy sessions, list the copies, put one back.'),
            ('object', 'List, show, make, rename and delete prompt objects.'),
            ('model', 'List the models, choose the default, fetch the embedded one.'),
            ('config', 'Show and change your settings.'),
            ('doctor', 'Check every file of the environment, and repair.'),
            ('init', 'Make an environment with starter prompt objects.'),
            ('status', 'Print the current prompt object and session on one line.'),
            ('completion', 'Print or install completion for bash, zsh or fish.'),
        ),
        (),
        (
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
            (('--version',), 'Print the version.', None),
        ),
    ),
    'send': (
        (
        ),
        ('objects', ''),
        (
            (('--stdin',), 'Append standard input to MESSAGE.', None),
            (('--file', '-f'), 'Append a file to MESSAGE; repeatable.', 'files'),
            (('--session', '-s'), "The session; see 'po session show --help'.", 'sessions'),
            (('--new',), 'Make a session, named by --session.', None),
            (('--create',), 'Make the session named by --session if it is missing.', None),
            (('--switch',), 'Make the session the current one.', None),
            (('--no-save',), 'Ask outside any session, and store nothing.', None),
            (('--model', '-m'), "The model to ask: one of 'po model list', or gguf:PATH.", 'models'),
            (('--option', '-o'), 'An option for the model; repeatable.', ''),
            (('--context',), 'How much of the conversation to send.', ''),
            (('--timeout',), 'Give up if the whole reply takes longer: 90s, 5min, 2h.', ''),
            (('--idempotency-key',), 'Safe to repeat.', ''),
            (('--if-turns',), 'Send only if the session has N turns, else exit 5.', ''),
            (('--no-stream',), 'Print the reply when it is whole.', None),
            (('--dry-run',), 'Print the messages that would be sent, and send nothing.', None),
            (('--literal',), "Send a MESSAGE like '/sessions' as text.", None),
            (('--yes', '-y'), "Do not ask, with '/session delete'.", None),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'session': (
        (
            ('new', 'Make a session and print its id.'),
            ('ensure', 'Print the id of the session NAME; make it if it is missing.'),
            ('list', 'List the sessions, newest activity first.'),
            ('show', 'Print a conversation, its messages numbered.'),
            ('current', 'Print the session that plain messages go to.'),
            ('switch', 'Make a session, and its prompt object, current.'),
            ('rename', 'Give a session another name.'),
            ('delete', 'Move sessions to the trash.'),
            ('duplicate', "Copy a whole session and print the copy's id."),
            ('adopt', 'Give an orphaned session a prompt object.'),
            ('undo', 'Move the last turns of a session to the trash.'),
            ('retry', 'Ask again what failed or was interrupted, and print the reply.'),
            ('path', "Print the path of a session's file."),
            ('export', 'Print sessions as Markdown, JSON or JSON Lines.'),
            ('import', "Read what 'export' wrote; print the sessions' ids."),
            ('prune', 'Move old, empty or too many sessions to the trash.'),
            ('compact', 'Have the model sum up a session, and print the summary.'),
        ),
        (),
        (
        ),
    ),
    'session new': (
        (
        ),
        ('',),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--switch',), 'Make it the current session.', None),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'session ensure': (
        (
        ),
        ('',),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--switch',), 'Make it the current session.', None),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'session list': (
        (
        ),
        (),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--all', '-a'), 'Those of every prompt object; not with --po.', None),
            (('--limit', '-n'), 'At most N.', ''),
            (('--ids',), 'Print only the ids, one a line.', None),
            (('--format',), "Print a line like '{id} {name}' for each.", ''),
            (('--null', '-0'), 'End each id or line with a NUL instead of a line end.', None),
            (('--orphaned',), 'Only those whose prompt object is not there any more.', None),
        ),
    ),
    'session show': (
        (
        ),
        ('sessions',),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--last',), 'Only the text of the last reply.', None),
            (('--range',), 'Only messages A to B.', ''),
            (('--full',), 'On a terminal, show whole what tools were asked and answered.', None),
        ),
    ),
    'session current': (
        (
        ),
        (),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--all', '-a'), 'Those of every prompt object; not with --po.', None),
            (('--ids',), 'Print only the ids, one a line.', None),
            (('--format',), "Print a line like '{id} {name}' for each.", ''),
            (('--null', '-0'), 'End each id or line with a NUL instead of a line end.', None),
        ),
    ),
    'session switch': (
        (
        ),
        ('sessions',),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'session rename': (
        (
        ),
        ('sessions', ''),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'session delete': (
        (
        ),
        ('sessions…',),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--purge',), 'Remove them and their backups for good instead.', None),
            (('--yes', '-y'), 'Do not ask, with --purge.', None),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'session duplicate': (
        (
        ),
        ('sessions', ''),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--to',), 'Copy it to this prompt object.', 'objects'),
            (('--switch',), 'Make it the current session.', None),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'session adopt': (
        (
        ),
        ('orphans',),
        (
            (('--po',), 'The prompt object that gets it.', 'objects'),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'session undo': (
        (
        ),
        ('sessions',),
        (
            (('--number', '-n'), 'How many turns.', ''),
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'session retry': (
        (
        ),
        ('sessions',),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--model', '-m'), "The model to ask: one of 'po model list', or gguf:PATH.", 'models'),
            (('--option', '-o'), 'An option for the model; repeatable.', ''),
            (('--context',), 'How much of the conversation to send.', ''),
            (('--timeout',), 'Give up if the whole reply takes longer: 90s, 5min, 2h.', ''),
            (('--no-stream',), 'Print the reply when it is whole.', None),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'session path': (
        (
        ),
        ('sessions',),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
        ),
    ),
    'session export': (
        (
        ),
        ('sessions…',),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--all', '-a'), 'Every session, with --po every one of PO.', None),
            (('--format', '-f'), 'markdown, jsonl or json.', 'formats'),
            (('--output', '-o'), 'Write this file, or a file for each session into this directory.', 'files'),
            (('--force',), 'Replace files that are there.', None),
        ),
    ),
    'session import': (
        (
        ),
        ('files…',),
        (
            (('--po',), 'Give them all to this prompt object instead of their own.', 'objects'),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'session prune': (
        (
        ),
        (),
        (
            (('--older-than',), 'Sessions that have been idle for so long.', ''),
            (('--before',), 'Sessions that have been idle since T.', ''),
            (('--empty',), 'Those without messages.', None),
            (('--keep-last',), 'Not the newest N of each prompt object.', ''),
            (('--max-size',), 'The oldest, until the rest takes at most 500MB, 2GiB, ….', ''),
            (('--po',), 'Those of PO; of the current one if not given.', 'objects'),
            (('--all', '-a'), 'Those of every prompt object; not with --po.', None),
            (('--purge',), 'Remove them and their backups for good instead.', None),
            (('--yes', '-y'), 'Do it; without this, only show what would go.', None),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'session compact': (
        (
        ),
        ('sessions',),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--model', '-m'), "The model to ask: one of 'po model list', or gguf:PATH.", 'models'),
            (('--option', '-o'), 'An option for the model; repeatable.', ''),
            (('--timeout',), 'Give up if the whole reply takes longer: 90s, 5min, 2h.', ''),
            (('--undo',), 'Move the newest summary to the trash instead.', None),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'trash': (
        (
            ('list', 'List what is in the trash, newest first.'),
            ('restore', 'Bring back a deleted session, or undone messages.'),
            ('empty', 'Remove what is in the trash for good.'),
        ),
        (),
        (
        ),
    ),
    'trash list': (
        (
        ),
        (),
        (
            (('--ids',), 'Print only the ids, one a line.', None),
            (('--format',), "Print a line like '{id} {name}' for each.", ''),
            (('--null', '-0'), 'End each id or line with a NUL instead of a line end.', None),
        ),
    ),
    'trash restore': (
        (
        ),
        ('trash',),
        (
            (('--as',), 'Another name.', ''),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'trash empty': (
        (
        ),
        (),
        (
            (('--older-than',), 'Only what has lain there so long: 12h, 30d, 6mo.', ''),
            (('--yes', '-y'), 'Do not ask.', None),
        ),
    ),
    'backup': (
        (
            ('create', 'Copy sessions and print the ids of the backups.'),
            ('list', 'List the backups of a session, newest first.'),
            ('restore', 'Put a session back to what a backup holds.'),
        ),
        (),
        (
        ),
    ),
    'backup create': (
        (
        ),
        ('sessions…',),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--all', '-a'), 'Every session, with --po every one of PO.', None),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'backup list': (
        (
        ),
        ('sessions',),
        (
            (('--po',), 'The prompt object; the current one if not given.', 'objects'),
            (('--all', '-a'), 'Those of every session; not with S or --po.', None),
            (('--ids',), 'Print only the ids, one a line.', None),
            (('--format',), "Print a line like '{id} {name}' for each.", ''),
            (('--null', '-0'), 'End each id or line with a NUL instead of a line end.', None),
        ),
    ),
    'backup restore': (
        (
        ),
        ('backups',),
        (
            (('--as',), 'Make a new session of it, and leave the other alone.', ''),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'object': (
        (
            ('list', 'List the prompt objects.'),
            ('show', "Print a prompt object's front matter and body."),
            ('new', 'Make a prompt object and print its name.'),
            ('path', "Print the path of a prompt object's file."),
            ('switch', 'Make a prompt object the current one.'),
            ('rename', 'Give a prompt object another name.'),
            ('delete', "Move a prompt object's file to the trash; its sessions are kept."),
        ),
        (),
        (
        ),
    ),
    'object list': (
        (
        ),
        (),
        (
            (('--format',), "Print a line like '{id} {name}' for each.", ''),
            (('--null', '-0'), 'End each id or line with a NUL instead of a line end.', None),
        ),
    ),
    'object show': (
        (
        ),
        ('objects',),
        (
        ),
    ),
    'object new': (
        (
        ),
        ('',),
        (
            (('--description', '-d'), 'What it is for.', ''),
            (('--model', '-m'), 'The model that answers.', 'models'),
            (('--body',), 'The system prompt; `-` reads standard input.', ''),
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'object path': (
        (
        ),
        ('objects',),
        (
        ),
    ),
    'object switch': (
        (
        ),
        ('objects',),
        (
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'object rename': (
        (
        ),
        ('objects', ''),
        (
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'object delete': (
        (
        ),
        ('objects',),
        (
            (('--lock-timeout',), 'Wait at most so long for other processes; 60 if not given.', ''),
            (('--no-wait',), 'Do not wait for other processes.', None),
        ),
    ),
    'model': (
        (
            ('list', 'List the models.'),
            ('default', 'Print the default model, or choose it.'),
            ('pull', 'Fetch the embedded model (93 MB) and print its path.'),
        ),
        (),
        (
        ),
    ),
    'model list': (
        (
        ),
        (),
        (
            (('--format',), "Print a line like '{id} {name}' for each.", ''),
            (('--null', '-0'), 'End each id or line with a NUL instead of a line end.', None),
        ),
    ),
    'model default': (
        (
        ),
        ('models',),
        (
        ),
    ),
    'model pull': (
        (
        ),
        (),
        (
        ),
    ),
    'config': (
        (
            ('list', 'List the settings in force.'),
            ('get', 'Print the value of a setting that is in force.'),
            ('set', 'Change a setting.'),
            ('unset', 'Remove a setting from the file.'),
            ('path', 'Print the path of the file, which need not be there yet.'),
        ),
        (),
        (
        ),
    ),
    'config list': (
        (
        ),
        (),
        (
            (('--format',), "Print a line like '{id} {name}' for each.", ''),
            (('--null', '-0'), 'End each id or line with a NUL instead of a line end.', None),
        ),
    ),
    'config get': (
        (
        ),
        ('settings',),
        (
        ),
    ),
    'config set': (
        (
        ),
        ('settings', 'values'),
        (
            (('--environment',), "Use the environment's file instead of yours.", None),
        ),
    ),
    'config unset': (
        (
        ),
        ('settings',),
        (
            (('--environment',), "Use the environment's file instead of yours.", None),
        ),
    ),
    'config path': (
        (
        ),
        (),
        (
            (('--environment',), "Use the environment's file instead of yours.", None),
        ),
    ),
    'doctor': (
        (
        ),
        (),
        (
            (('--repair',), 'Repair what is certain, and move the rest to quarantine/.', None),
        ),
    ),
    'init': (
        (
        ),
        ('directories',),
        (
        ),
    ),
    'status': (
        (
        ),
        (),
        (
            (('--format',), "The line, like '{session_name}'.", ''),
        ),
    ),
    'completion': (
        (
        ),
        ('shells',),
        (
            (('--install',), 'Write it where the shell finds it, and print the file.', None),
        ),
    ),
}
"""By its words: its commands, its arguments, its options with their names, what they do and take."""

WORDS = {
    'formats': (
        ('markdown', ''),
        ('jsonl', ''),
        ('json', ''),
    ),
    'settings': (
        ('model', 'The model to ask.'),
        ('model.idle_timeout', 'How long a model may send nothing before the turn fails.'),
        ('backup.interval', 'A turn makes a backup first if the latest is older.'),
        ('backup.keep', 'How many backups of a session are kept.'),
        ('links.allow', 'Directories of environments that may be symbolic links.'),
        ('send.max_bytes', 'The largest message that is sent: 500kB, 32MiB.'),
        ('import.max_bytes', 'The largest file, or standard input, that is imported.'),
    ),
    'shells': (
        ('bash', ''),
        ('zsh', ''),
        ('fish', ''),
    ),
}
"""Values that are always the same."""
