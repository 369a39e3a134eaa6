"""One contract for every network over every backbone: shapes at odd sizes, gradients everywhere, the same in ONNX."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from maskery.core.errors import ConfigError, TrainingError
from maskery.training.networks.base import Backbone, Net
from maskery.training.networks.build import build_network, imagenet_weights
from maskery.training.networks.efficientnet_lite import EfficientNetLite0
from maskery.training.networks.resnet import ResNet
from maskery.training.onnx_export import INPUT, OUTPUT, export_onnx
from maskery.training.recipe import BackboneName, NetworkName, NetworkSpec

CLASSES = 5
NETWORKS = [
    NetworkSpec(name=name, backbone=backbone, width=16, imagenet=False)
    for name in get_args(NetworkName)
    if name != "prompt_decoder"  # it takes maps and prompts: tests/training/test_prompt_task.py
    for backbone in get_args(BackboneName)
] + [
    NetworkSpec(name="deeplabv3plus", width=16, imagenet=False, last_stage=5),
    NetworkSpec(name="classifier", imagenet=False, last_stage=7),
    NetworkSpec(name="classifier", imagenet=False, last_stage=8, mirror=True),
]
# An export takes tens of seconds: every network once, backbones of both families, shallow, deep and cut short.
EXPORTED = [
    NetworkSpec(name="light_decoder", width=16, imagenet=False),
    NetworkSpec(name="deeplabv3plus", width=16, imagenet=False, last_stage=5),
    NetworkSpec(name="bisenet", backbone="resnet18", width=16, imagenet=False),
    NetworkSpec(name="fcn", backbone="resnet18", width=16, imagenet=False),
    NetworkSpec(name="classifier", backbone="resnet18", imagenet=False),
    NetworkSpec(name="classifier", imagenet=False, last_stage=8, mirror=True),
    NetworkSpec(name="lraspp", backbone="resnet101", width=16, imagenet=False),
]


def _name(network: NetworkSpec) -> str:
    return f"{network.name}-{network.backbone}-{network.last_stage}"


def fresh(network: NetworkSpec) -> Net:
    torch.manual_seed(0)
    return build_network(network, CLASSES)


@pytest.mark.parametrize("network", NETWORKS, ids=_name)
def test_shapes_at_odd_sizes_and_the_same_answer_twice(network: NetworkSpec) -> None:
    net = fresh(network).eval()
    with torch.inference_mode():
        for batch, (height, width) in ((1, (97, 65)), (2, (33, 40))):
            image = torch.randn(batch, 3, height, width)
            logits = net(image)
            assert torch.equal(logits, net(image))
            if network.name == "classifier":
                assert logits.shape == (batch, CLASSES)
                continue
            assert logits.shape[:2] == (batch, CLASSES)
            assert abs(logits.shape[2] - height / net.stride) <= 1
            assert abs(logits.shape[3] - width / net.stride) <= 1
        side = 2 * net.multiple
        if network.name != "classifier":
            assert net(torch.zeros(1, 3, side, side)).shape[2:] == (side // net.stride, side // net.stride)


@pytest.mark.parametrize("network", NETWORKS, ids=_name)
def test_gradients_reach_every_parameter(network: NetworkSpec) -> None:
    net = fresh(network).train()
    answer = net(torch.randn(2, 3, 65, 49))
    outputs = answer if isinstance(answer, tuple) else (answer,)
    assert all(logits.shape[:2] == (2, CLASSES) for logits in outputs)
    torch.stack([logits.square().mean() for logits in outputs]).sum().backward()
    missing = [
        name
        for name, p in net.named_parameters()
        if p.grad is None or not torch.isfinite(p.grad).all() or not p.grad.any()
    ]
    assert missing == []


@pytest.mark.slow
@pytest.mark.parametrize("network", EXPORTED, ids=_name)
def test_onnx_runtime_computes_the_same_at_sizes_that_the_export_has_not_seen(
    network: NetworkSpec, tmp_path: Path
) -> None:
    net = fresh(network)
    # Statistics of their own, so that a batch norm left out or folded wrongly is seen.
    with torch.no_grad():
        for name, buffer in net.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
    path = tmp_path / "net.onnx"
    proof = export_onnx(net, path, half=False)
    assert proof.exact == proof.stored < 1e-3
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch, rows, columns in ((1, 1, 1), (3, 2, 7), (2, 5, 4)):
        image = torch.randn(batch, 3, rows * net.multiple, columns * net.multiple)
        with torch.inference_mode():
            ours = net(image).numpy()
        (theirs,) = session.run([OUTPUT], {INPUT: image.numpy()})
        assert theirs.shape == ours.shape
        assert np.abs(theirs - ours).max() < 1e-3
    scales = [node.input for node in onnx.load(path).graph.node if node.op_type == "Resize"]
    assert all(names[2].startswith("scale_1x1x") for names in scales)


def test_weights_that_are_not_finite_are_not_exported(tmp_path: Path) -> None:
    net = fresh(NetworkSpec(name="classifier", imagenet=False))
    with torch.no_grad():
        next(net.backbone.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"weights that are not finite\. Export an earlier checkpoint"):
        export_onnx(net, tmp_path / "net.onnx")


class Huge(Net):
    """Finite weights whose sums lie beyond float32."""

    stride = multiple = 8

    def __init__(self) -> None:
        super().__init__()
        self.classify = nn.Conv2d(3, CLASSES, 8, 8)
        nn.init.constant_(self.classify.weight, 3e38)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classify(x)
        return logits - logits.mean((2, 3), keepdim=True)


def test_a_network_that_onnx_runtime_cannot_follow_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"differ by nan in logits of up to nan, by more than 0\.001"):
        export_onnx(Huge(), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("build", "strides"),
    [
        (lambda: EfficientNetLite0(), (4, 8, 16, 32)),
        (lambda: EfficientNetLite0(7, 16), (4, 8, 16, 16)),
        (lambda: EfficientNetLite0(5), (4, 8, 16)),
        (lambda: EfficientNetLite0(6, 8), (4, 8, 8, 8)),
        (lambda: ResNet("resnet18"), (4, 8, 16, 32)),
        (lambda: ResNet("resnet50", 16), (4, 8, 16, 16)),
        (lambda: ResNet("resnet50", 8), (4, 8, 8, 8)),
    ],
)
def test_maps_of_the_backbone_have_the_channels_and_strides_it_says(
    build: Callable[[], Backbone], strides: tuple[int, ...]
) -> None:
    backbone = build().eval()
    with torch.inference_mode():
        maps = backbone(torch.randn(1, 3, 64, 96))
    assert tuple(m.shape[1] for m in maps) == backbone.channels
    assert tuple((64 // m.shape[2], 96 // m.shape[3]) for m in maps) == tuple((s, s) for s in strides)
    assert backbone.stride == strides[-1]
    assert len(backbone.early_layers(2)) == 4


@pytest.mark.parametrize(
    ("build", "offset"),
    [
        (lambda stride: EfficientNetLite0(6, stride), 1),
        (lambda stride: ResNet("resnet18", stride), 0),
        (lambda stride: ResNet("resnet50", stride), 0),
    ],
    ids=("efficientnet_lite0", "resnet18", "resnet50"),
)
def test_a_dilated_backbone_computes_the_strided_one_at_more_places(
    build: Callable[[int], Backbone], offset: int
) -> None:
    """Same weights; away from the padding every second position of the dilated map is the strided map."""
    strided, dilated = build(32).eval(), build(16).eval()
    dilated.load_state_dict(strided.state_dict())
    with torch.inference_mode():
        image = torch.randn(1, 3, 384, 384)
        few, many = strided(image)[-1], dilated(image)[-1]
    inside = slice(5, -5)
    assert few.abs().max() > 1e-6
    assert torch.allclose(few[..., inside, inside], many[..., offset::2, offset::2][..., inside, inside], atol=1e-5)


def test_parameter_names_are_those_of_the_published_checkpoints(tmp_path: Path) -> None:
    """torchvision's names; the classifier that its files have beside them is left out, old files lack the counters."""
    torch.manual_seed(1)
    published = ResNet("resnet18").state_dict()
    assert {"conv1.weight", "bn1.running_var", "layer1.0.conv2.weight", "layer4.1.bn2.bias"} <= published.keys()
    assert {"layer2.0.downsample.0.weight", "layer2.0.downsample.1.bias"} <= published.keys()
    assert "layer1.0.conv3.weight" in ResNet("resnet50").state_dict()
    assert sum(p.numel() for p in ResNet("resnet18").parameters()) == 11_689_512 - 513_000
    assert sum(p.numel() for p in ResNet("resnet50").parameters()) == 25_557_032 - 2_049_000
    file = {k: v for k, v in published.items() if not k.endswith("num_batches_tracked")}
    torch.save(file | {"fc.weight": torch.zeros(1000, 512)}, tmp_path / "resnet18.pth")
    network = NetworkSpec(name="lraspp", backbone="resnet18", width=16, weights=str(tmp_path / "resnet18.pth"))
    loaded = build_network(network, CLASSES).backbone.state_dict()
    assert all(torch.equal(loaded[name], published[name]) for name in published)


def test_with_mirror_a_trained_classifier_answers_by_both_images() -> None:
    plain = fresh(NetworkSpec(name="classifier", imagenet=False, last_stage=4))
    both = fresh(NetworkSpec(name="classifier", imagenet=False, last_stage=4, mirror=True))
    both.load_state_dict(plain.state_dict())
    x = torch.randn(3, 3, 64, 96)
    with torch.inference_mode():
        expected = (plain.eval()(x) + plain(x.flip(3))) / 2
        torch.testing.assert_close(both.eval()(x), expected)
        torch.testing.assert_close(both(x.flip(3)), expected)
        assert not torch.allclose(plain(x), expected)
    assert both.train()(x).shape == (3, CLASSES)


def test_imagenet_weights_arrive_in_every_depth_of_the_backbone() -> None:
    shallow = build_network(NetworkSpec(name="classifier", last_stage=4), CLASSES).backbone.state_dict()
    deep = build_network(NetworkSpec(name="deeplabv3plus", width=16, last_stage=7), CLASSES).backbone.state_dict()
    assert len(shallow) < len(deep)
    assert all(torch.equal(shallow[name], deep[name]) for name in shallow)
    assert deep["_bn0.running_mean"].any()
    whole = build_network(NetworkSpec(name="classifier", last_stage=8), CLASSES).backbone.state_dict()
    published = torch.load(imagenet_weights(NetworkSpec(name="classifier")), weights_only=True)
    assert set(published) - set(whole) == {"_fc.weight", "_fc.bias"}
    assert all(torch.equal(whole[name], published[name]) for name in whole)


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (NetworkSpec(name="fcn", backbone="resnet50"), "do not come with Maskery. Give network.weights"),
        (NetworkSpec(name="fcn", backbone="resnet50", last_stage=5), "Only efficientnet_lite0 has a last_stage"),
        (NetworkSpec(name="lraspp", last_stage=3), "from 4 to 8"),
        (NetworkSpec(name="lraspp", last_stage=8), "that only a classifier is for"),
        (NetworkSpec(name="light_decoder", last_stage=5), "needs the map at stride 32"),
        (NetworkSpec(name="bisenet", last_stage=5), "needs the map at stride 32"),
        (NetworkSpec(name="lraspp", backbone="resnet18", weights="no/such.pth"), "Cannot read the weights no/such.pth"),
    ],
)
def test_parts_that_do_not_fit(network: NetworkSpec, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_network(network, CLASSES)
    assert says in str(caught.value)


def test_files_that_are_no_weights_of_the_backbone(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    network = NetworkSpec(name="classifier", backbone="resnet18", weights=str(path))
    state = ResNet("resnet18").state_dict()
    wrong = {
        "not a file of torch weights": b"PK no",
        "holds no state_dict": [1, 2],
        "lacks 100 of the backbone's 120 parameters": {},
        "lacks 1 of": {k: v for k, v in state.items() if k != "bn1.weight"},
        "conv1.weight has shape (1, 1), the backbone (64, 3, 7, 7)": state | {"conv1.weight": torch.zeros(1, 1)},
    }
    for says, content in wrong.items():
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            torch.save(content, path)
        with pytest.raises(ConfigError) as caught:
            build_network(network, CLASSES)
        assert says in str(caught.value)
