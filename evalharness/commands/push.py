"""`evalh push`: a trained folder to the Hugging Face hub."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def push(
    folder: Annotated[Path, Argument(help="The folder that `evalh finetune` wrote, or its adapter folder.")],
    repository: Annotated[str, Argument(metavar="OWNER/NAME", help="The model's name on the hub.")],
    private: Annotated[bool, Option("--private", help="A new repository that only you see.")] = False,
) -> None:
    """Upload a model with its card; training state, test rows and runs stay here."""
    from evalharness.exports.upload import push_folder
    from evalharness.text.visible import printable

    print(printable(push_folder(folder, repository, private=private)))
