"""Models of ``transformers`` with random weights, saved as the Hub has them; of a few thousand weights each."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import nn

from maskery.models.importers import onnx_file

SIDE = 64
LABELS = ("background", "wall", "sky", "tree", "cat")


def save(kind: str, folder: Path, licence: str = "apache-2.0") -> Any:
    """Write net, processor and README of ``kind`` (a model_type) into ``folder``; returns the net, in eval mode."""
    import transformers

    names = {"id2label": dict(enumerate(LABELS)), "label2id": {name: i for i, name in enumerate(LABELS)}}
    model, config, processor = MAKERS[kind](transformers, names)
    torch.manual_seed(0)
    net = model(config).eval()
    enliven(net)
    net.save_pretrained(folder)
    processor.save_pretrained(folder)
    (folder / "README.md").write_text(f"---\nlicense: {licence}\ntags:\n- vision\n---\n# A model\n")
    return net


def enliven(net: nn.Module) -> None:
    """Weights of a size that lets different pixels get different classes."""
    for parameter in net.parameters():
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter)


_traced: dict[tuple[object, ...], bytes] = {}


@contextmanager
def traced_once() -> Iterator[None]:
    """Within it, nets of one class and the same weights are traced once, which takes half a minute; nothing else is
    left out: each export still compares its own copy of the graph with its net, stores and checks it."""
    trace = onnx_file.traced

    def traced(net: nn.Module, example: tuple[int, int, int, int], names: tuple[str, str], sides: Any) -> Any:
        digest = hashlib.sha256()
        for name, tensor in net.state_dict().items():
            digest.update(name.encode() + tensor.numpy().tobytes())
        key = (type(net), digest.digest(), example, names, str(sides))
        if key not in _traced:
            _traced[key] = trace(net, example, names, sides).SerializeToString()
        return onnx.ModelProto.FromString(_traced[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_file, "traced", traced)
        yield


def change(folder: Path, file: str, **values: Any) -> None:
    """Set keys of a JSON file; None removes one."""
    path = folder / file
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def _segformer(tf: Any, names: dict[str, Any]) -> Any:
    config = tf.SegformerConfig(
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=16,
        **names,
    )
    square = {"height": SIDE, "width": SIDE}
    return tf.SegformerForSemanticSegmentation, config, tf.SegformerImageProcessorPil(size=square)


def _mobilenet(tf: Any, names: dict[str, Any]) -> Any:
    config = tf.MobileNetV2Config(depth_multiplier=0.25, min_depth=4, output_stride=16, **names)
    shortest = tf.MobileNetV2ImageProcessorPil(size={"shortest_edge": SIDE}, do_center_crop=False)
    return tf.MobileNetV2ForSemanticSegmentation, config, shortest


def _mobilevit(tf: Any, names: dict[str, Any]) -> Any:
    config = tf.MobileViTConfig(
        image_size=SIDE,
        hidden_sizes=[16, 16, 24],
        neck_hidden_sizes=[8, 8, 8, 16, 16, 16, 32],
        num_attention_heads=2,
        aspp_out_channels=16,
        output_stride=16,
        **names,
    )
    processor = tf.MobileViTImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}, resample=2
    )
    return tf.MobileViTForSemanticSegmentation, config, processor


def _upernet(tf: Any, names: dict[str, Any]) -> Any:
    stages = ["stage1", "stage2", "stage3", "stage4"]
    backbone = tf.ConvNextConfig(depths=[1, 1, 1, 1], hidden_sizes=[8, 8, 16, 16], out_features=stages)
    config = tf.UperNetConfig(
        backbone_config=backbone, hidden_size=16, auxiliary_channels=8, auxiliary_in_channels=16, **names
    )
    square = {"height": SIDE, "width": SIDE}
    return tf.UperNetForSemanticSegmentation, config, tf.SegformerImageProcessorPil(size=square)


def _beit(tf: Any, names: dict[str, Any]) -> Any:
    config = tf.BeitConfig(
        image_size=SIDE,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        out_indices=[1, 2, 3, 4],
        use_relative_position_bias=True,
        **names,
    )
    processor = tf.BeitImageProcessorPil(size={"height": SIDE, "width": SIDE}, resample=2, do_center_crop=False)
    return tf.BeitForSemanticSegmentation, config, processor


def _dpt(tf: Any, names: dict[str, Any]) -> Any:
    config = tf.DPTConfig(
        image_size=SIDE,
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16,
        **names,
    )
    processor = tf.DPTImageProcessorPil(size={"height": SIDE, "width": SIDE}, resample=2)
    return tf.DPTForSemanticSegmentation, config, processor


def _mask2former(tf: Any, names: dict[str, Any]) -> Any:
    backbone = tf.SwinConfig(
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        image_size=SIDE,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    config = tf.Mask2FormerConfig(
        backbone_config=backbone,
        feature_size=32,  # of its group normalisation
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=32,
        dim_feedforward=32,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        num_queries=20,
        **names,
    )
    processor = tf.Mask2FormerImageProcessorPil(size={"shortest_edge": SIDE, "longest_edge": 2 * SIDE})
    return tf.Mask2FormerForUniversalSegmentation, config, processor


MAKERS = {
    "segformer": _segformer,
    "mobilenet_v2": _mobilenet,
    "mobilevit": _mobilevit,
    "upernet": _upernet,
    "beit": _beit,
    "dpt": _dpt,
    "mask2former": _mask2former,
}
