"""docs/training.md names every key of a recipe and every option of the command."""

import msgspec

from maskery.cli.train import train
from maskery.training import recipe
from tests.material import ROOT

PAGE = (ROOT / "docs" / "training.md").read_text()


def test_every_key_of_a_recipe_is_documented() -> None:
    kinds = [kind for kind in vars(recipe).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
    structs = [kind for kind in kinds if kind.__module__ == recipe.__name__]  # a card's [detector] has its own page
    keys = {field.encode_name for kind in structs for field in msgspec.structs.fields(kind)}
    keys -= {"data", "network", "optimiser", "loss", "publish", "prompts"}  # they are the tables' names
    assert len(keys) > 50
    assert [key for key in sorted(keys) if f"`{key}`" not in PAGE] == []
    assert all(f"`[{table}]`" in PAGE for table in ("data", "network", "optimiser", "loss", "publish", "prompts"))


def test_every_option_is_documented() -> None:
    options = {option for parameter in train.params for option in parameter.opts if option.startswith("--")}
    assert [option for option in sorted(options) if f"`{option}" not in PAGE and f"`-o`, `{option}" not in PAGE] == []
