import hashlib
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from maskery.core.errors import (
    ChecksumError,
    ConfigError,
    DownloadError,
    LicenceError,
    MissingExtra,
    ModelError,
    UnknownModel,
)
from maskery.core.labels import VOC
from maskery.core.picture.decode import open_picture
from maskery.inference.pipeline import load_model
from maskery.models.importers import torchvision
from maskery.models.importers.draft import ImportRequest, ImportSource
from maskery.models.importers.onnx_file import bring
from tests.material import encoded, photo
from tests.models.importers.vision import Net

MIT = ImportRequest(licence="MIT")
SIZE_WH = (168, 136)


def weights(folder: Path, name: str = "fcn_resnet50", classes: int = 21, auxiliary: bool = False) -> Path:
    path = folder / "mine.pth"
    torch.save(Net(name, classes, auxiliary).state_dict(), path)
    return path


def found(name: str, path: Path, classes: int | None = None, request: ImportRequest = MIT) -> ImportSource:
    return torchvision.found(name, torchvision.read_weights(name, path), classes, request, Net)


@pytest.mark.parametrize("name", ["fcn_resnet50", "lraspp_mobilenet_v3_large"])
def test_served_mask_is_the_network_s_own(name: str, tmp_path: Path) -> None:
    what = found(name, weights(tmp_path, name, auxiliary=name == "fcn_resnet50"))
    card, notes = bring(what, tmp_path)
    assert notes == ()
    assert card.training["parity_torch_onnx"] < 1e-4  # type: ignore[operator]
    own_size = msgspec.structs.replace(card, inputs=[msgspec.structs.replace(card.input, resize="multiple")])
    picture = encoded(photo("astronaut"), "PNG", SIZE_WH)
    served = (
        load_model(own_size, tmp_path / card.file)
        .run(open_picture(picture, max_bytes=1 << 20, max_pixels=1 << 20))
        .class_map
    )  # type: ignore[union-attr]

    from PIL import Image

    pixels = np.asarray(Image.fromarray(photo("astronaut")).resize(SIZE_WH), np.float32)
    values = torch.from_numpy(((pixels - card.input.mean) / card.input.std).astype(np.float32)).permute(2, 0, 1)[None]
    net = Net(name, 21, name == "fcn_resnet50").eval()
    net.load_state_dict(torch.load(tmp_path / "mine.pth"))
    with torch.inference_mode():
        theirs = net(values)["out"][0].argmax(0).numpy()
    assert len(np.unique(theirs)) > 1
    assert (served == theirs).mean() > 0.999


def test_card(tmp_path: Path) -> None:
    path = weights(tmp_path)
    what = found("fcn_resnet50", path)
    card = what.card
    assert card.name == "fcn_resnet50"
    assert card.labels == list(VOC)
    assert "guessed: 21 classes are those of Pascal VOC" in what.notes
    assert (card.input.resize, card.input.side) == ("shortest-side", 520)
    assert card.input.mean == pytest.approx((0.485 * 255, 0.456 * 255, 0.406 * 255))
    assert card.input.std == pytest.approx((0.229 * 255, 0.224 * 255, 0.225 * 255))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert card.training["weights_sha256"] == digest
    assert card.version == digest[:8]


def test_weights_of_torchvision_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = weights(tmp_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(torchvision.FILES, "fcn_resnet50", f"fcn_resnet50_coco-{digest[:8]}.pth")
    what = found("fcn_resnet50", path, request=ImportRequest())
    assert what.card.licence == torchvision.LICENCE
    assert what.notes == ()


def test_every_known_file_promises_its_hash() -> None:
    assert all(len(torchvision.hash_prefix(Path(file)) or "") == 8 for file in torchvision.FILES.values())


def test_weights_of_one_s_own_need_a_licence(tmp_path: Path) -> None:
    with pytest.raises(LicenceError, match="--licence"):
        found("fcn_resnet50", weights(tmp_path), request=ImportRequest())
    closed = found("fcn_resnet50", weights(tmp_path), request=ImportRequest(licence="CC-BY-NC-4.0"))
    assert not closed.card.licence.commercial_use
    assert any("CC-BY-NC-4.0 does not allow commercial use" in note for note in closed.notes)


def test_labels_and_classes(tmp_path: Path) -> None:
    path = weights(tmp_path, classes=3)
    labels = ("sky", "sea", "land")
    assert found("fcn_resnet50", path, 3, ImportRequest(labels=labels, licence="MIT")).card.labels == list(labels)
    with pytest.raises(ConfigError, match=r"--classes is 4, but mine\.pth has 3"):
        found("fcn_resnet50", path, 4)
    with pytest.raises(ConfigError, match="--labels has 2"):
        found("fcn_resnet50", path, request=ImportRequest(labels=("a", "b"), licence="MIT"))


def test_checkpoint_of_the_reference_training(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save({"model": Net("fcn_resnet50", 5, False).state_dict(), "epoch": 3}, path)
    assert torchvision.read_weights("fcn_resnet50", path).classes == 5


def test_weights_of_another_network(tmp_path: Path) -> None:
    what = found("fcn_resnet50", weights(tmp_path))
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    with pytest.raises(ModelError, match="no weights of fcn_resnet50"):
        found("fcn_resnet50", tmp_path / "linear.pth")
    state = Net("fcn_resnet50", 21, False).state_dict() | {"backbone.more": torch.zeros(1)}
    torch.save(state, tmp_path / "mine.pth")
    with pytest.raises(ModelError, match=r"does not fit fcn_resnet50: .*backbone\.more"):
        found("fcn_resnet50", tmp_path / "mine.pth").load()
    what.load()


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "whole.pth"
    torch.save(Net("fcn_resnet50", 21, False), path)
    with pytest.raises(ModelError, match="is no file of tensors"):
        torchvision.read_weights("fcn_resnet50", path)
    path.write_bytes(b"<html>404</html>")
    with pytest.raises(ModelError, match="is no file of tensors"):
        torchvision.read_weights("fcn_resnet50", path)


def test_the_hash_in_a_file_s_name_is_checked(tmp_path: Path) -> None:
    path = weights(tmp_path)
    wrong = path.rename(tmp_path / "fcn_resnet50_coco-1167a1af.pth")
    with pytest.raises(ChecksumError, match="does not begin with 1167a1af"):
        torchvision.read_weights("fcn_resnet50", wrong)


def test_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    address = "https://download.pytorch.org/models/fcn_resnet101_coco-7ecb50ca.pth"
    with pytest.raises(DownloadError, match=address):
        torchvision.fetch("fcn_resnet101", offline=True)
    monkeypatch.setattr(torchvision, "ADDRESS", (tmp_path / "nowhere").as_uri() + "/")
    with pytest.raises(DownloadError, match=r"could not be fetched.*--weights FILE"):
        torchvision.fetch("fcn_resnet101", offline=False)
    server = tmp_path / "server"
    server.mkdir()
    (server / torchvision.FILES["fcn_resnet101"]).write_bytes(b"something else")
    monkeypatch.setattr(torchvision, "ADDRESS", server.as_uri() + "/")
    with pytest.raises(DownloadError, match="hash"):
        torchvision.fetch("fcn_resnet101", offline=False)
    digest = hashlib.sha256(b"something else").hexdigest()
    monkeypatch.setitem(torchvision.FILES, "fcn_resnet101", f"x-{digest[:8]}.pth")
    (server / f"x-{digest[:8]}.pth").write_bytes(b"something else")
    assert torchvision.fetch("fcn_resnet101", offline=False).read_bytes() == b"something else"


def test_names() -> None:
    with pytest.raises(UnknownModel, match="Did you mean 'deeplabv3_resnet101'"):
        torchvision.expect_name("deeplab_resnet101")


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is installed")
def test_without_torchvision() -> None:
    with pytest.raises(MissingExtra, match=r"maskery\[torchvision\]"):
        torchvision.find("fcn_resnet50", None, None, ImportRequest())
