"""`evalh chat`: talk to a model in the terminal."""

from typing import Annotated

from typer import Argument, Option


def chat(
    model: Annotated[str, Argument(help="A checkpoint folder, or PLUGIN[:ARGUMENT] as for `evalh run`.")],
    system: Annotated[str, Option(help="A system message.")] = "",
    max_tokens: Annotated[int, Option(help="Longest answer, in tokens.")] = 512,
    temperature: Annotated[float, Option(help="0 = greedy.")] = 0.0,
    template: Annotated[str | None, Option(help="Chat template; `none` asks as a base model.")] = None,
    base_url: Annotated[str | None, Option(help="Address of an OpenAI-compatible server.")] = None,
    device: Annotated[str, Option(help="cpu, cuda or auto.")] = "auto",
) -> None:
    """Talk to a model: one line, one answer; an empty line or Ctrl-D ends, `/new` forgets."""
    from evalharness.report import talk

    talk.talk(
        model, system=system, max_tokens=max_tokens, temperature=temperature,
        options={"template": template, "base_url": base_url, "device": device},
    )  # fmt: skip
