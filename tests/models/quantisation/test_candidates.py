from pathlib import Path

import pytest

from maskery.core.errors import ModelError
from maskery.models.quantisation.candidates import fp16_candidates, kept_nodes
from maskery.models.quantisation.graph import plain_graph
from tests.models import tiny_nets
from tests.models.quantisation.squares import network


def test_words_and_names_of_nodes_and_operators(tmp_path: Path) -> None:
    plain = plain_graph(network(tmp_path / "net.onnx"), tmp_path)
    assert kept_nodes(plain, ["none"]) == kept_nodes(plain, ["auto"]) == []
    assert kept_nodes(plain, ["first"]) == ["first"]
    assert kept_nodes(plain, ["last", "first", "last"]) == ["final", "first"]
    assert kept_nodes(plain, ["middle"]) == ["middle"]
    assert kept_nodes(plain, ["Conv"]) == ["first", "middle", "final"]
    with pytest.raises(ModelError, match=r"no node and no operator 'fist'. Did you mean 'first'\?"):
        kept_nodes(plain, ["fist"])


def test_small_weights_are_not_worth_storing_as_float16(tmp_path: Path) -> None:
    plain = plain_graph(tiny_nets.nchw(tmp_path / "net.onnx", 3), tmp_path)
    with pytest.raises(ModelError, match="it is no smaller"):
        next(fp16_candidates(plain, plain.ByteSize()))
