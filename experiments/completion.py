"""`qec completion`: a script that completes commands, flags and decoder names in a shell."""

import argparse
import importlib
from collections.abc import Mapping

import decoders
from experiments.common.parser import Parser

SHELLS = ("bash", "zsh", "fish")
_DECODER_FLAGS = ("--decoder", "--decoders")

_BASH = """\
_qec() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" place="" words=""
    [ "$COMP_CWORD" -gt 1 ] && place="${{COMP_WORDS[1]}}"
    [ "$place" = bench ] && [ "$COMP_CWORD" -gt 2 ] && place="bench ${{COMP_WORDS[2]}}"
    case "$place" in
{cases}
    esac
    case "${{COMP_WORDS[COMP_CWORD-1]}}" in
        {decoder_flags}) words="{decoders}" ;;
        *) case "$word" in -*) ;; *) case "$place" in ""|bench) ;; *) words="" ;; esac ;; esac ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _qec qec
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec completion`."""
    parser.add_argument("shell", choices=SHELLS, help="the shell that reads the script")
    parser.epilog = (
        "example, for bash; other shells have their own folder:\n"
        "  qec completion bash > ~/.local/share/bash-completion/completions/qec"
    )


def run(args: argparse.Namespace) -> int:
    """Print the script; see `add_arguments`."""
    print(script(args.shell, _words()), end="")
    return 0


def script(shell: str, words: Mapping[str, list[str]]) -> str:
    """Write the script.

    Args:
        shell: one of `SHELLS`.
        words: what may follow: "" -> commands, a command -> its flags, "bench NAME" -> those of a benchmark.
    """
    names = " ".join(decoders.names())
    if shell == "fish":
        lines = ["complete -c qec -n __fish_use_subcommand -f -a '" + " ".join(words[""]) + "'"]
        for place, flags in words.items():
            for word in flags if place else ():
                after = " && ".join(f"__fish_seen_subcommand_from {part}" for part in place.split())
                kind = f"-l {word[2:]}" if word.startswith("--") else f"-f -a {word}"
                values = f" -x -a '{names}'" if word in _DECODER_FLAGS else ""
                lines.append(f"complete -c qec -n '{after}' {kind}{values}")
        return "\n".join(lines) + "\n"
    cases = "\n".join(f'        "{place}") words="{" ".join(flags)}" ;;' for place, flags in words.items())
    text = _BASH.format(cases=cases, decoder_flags="|".join(_DECODER_FLAGS), decoders=names)
    return ("autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else "") + text


def _words() -> dict[str, list[str]]:
    from experiments.cli import COMMANDS  # which imports this module when its command runs

    words = {"": list(COMMANDS)}
    for command, (module, _) in COMMANDS.items():
        parser = Parser(prog=command)
        importlib.import_module(module).add_arguments(parser)
        words |= _of_parser(command, parser)
    return words


def _of_parser(place: str, parser: argparse.ArgumentParser) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {place: []}
    for action in parser._actions:
        found[place] += [flag for flag in action.option_strings if flag.startswith("--")]
        if isinstance(action.choices, dict):
            found[place] += list(action.choices)
            for name, inner in action.choices.items():
                found |= _of_parser(f"{place} {name}", inner)
    return found
