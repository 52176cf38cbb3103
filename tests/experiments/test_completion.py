"""`qec completion`: what bash offers, asked of bash; scripts for other shells."""

import shutil
import subprocess

import pytest

import decoders
from experiments import cli


@pytest.fixture(scope="module")
def scripts() -> dict[str, str]:
    from experiments.completion import SHELLS, _words, script

    words = _words()
    return {shell: script(shell, words) for shell in SHELLS}


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_commands_flags_and_decoders(scripts: dict[str, str]) -> None:
    lines = ["qec sw", "qec demo --sh", "qec plot --for", "qec bench codes --fam", "qec bench acc"]
    lines += ["qec decode --decoder tr", "qec decode a"]
    asked = "\n".join(
        f"COMP_WORDS=({line}); COMP_CWORD={len(line.split()) - 1}; _qec; echo ${{COMPREPLY[*]}}"
        for line in lines
    )
    done = subprocess.run(["bash"], input=scripts["bash"] + asked, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:-1] == [
        "sweep",
        "--shots",
        "--format",
        "--families",
        "accuracy",
        "trellis",
        "",
    ]


def test_scripts_of_other_shells(scripts: dict[str, str]) -> None:
    assert scripts["zsh"].endswith(scripts["bash"])
    fish = scripts["fish"].splitlines()
    assert "complete -c qec -n '__fish_seen_subcommand_from demo' -l shots" in fish
    assert any(line.endswith(f"-l decoder -x -a '{' '.join(decoders.names())}'") for line in fish)


def test_the_command_prints_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", "fish"]) == 0
    assert capsys.readouterr().out.startswith("complete -c qec -n __fish_use_subcommand -f -a 'demo sweep")
