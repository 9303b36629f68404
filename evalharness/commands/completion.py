"""`evalh completion`: what a shell needs to complete commands, options and names."""

from typing import Annotated

from typer import Argument

EXAMPLES = """
evalh completion bash >> ~/.bashrc
evalh completion zsh >> ~/.zshrc
evalh completion fish > ~/.config/fish/completions/evalh.fish
"""
VARIABLE = "_EVALH_COMPLETE"  # a shell sets it where it asks what could follow
SHELLS = ("bash", "zsh", "fish")


def completion(shell: Annotated[str, Argument(help="bash, zsh or fish.")]) -> None:
    """Print the lines that make a shell complete evalh; put them where the shell reads at its start."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # typer does not list it

    from evalharness.errors import UserError, nearest

    if shell not in SHELLS:
        raise UserError(f"there is no completion for {shell!r}{nearest(shell, SHELLS)}; there is {', '.join(SHELLS)}")
    words = {"prog_name": "evalh", "complete_var": VARIABLE, "shell": shell}
    print(get_completion_script(**words))
