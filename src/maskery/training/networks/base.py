"""What every network and every backbone states for loop, export and card; layers that several networks share."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

Triple = tuple[float, float, float]


class Backbone(nn.Module):
    """Takes (N, 3, H, W) float32, normalised by ``(x - pixel_mean) / pixel_std`` (x in 0..255), gives a list of maps.

    The maps have ``channels`` channels, finest first, at strides 4, 8, 16 and 32. A backbone that stops early gives
    fewer; a dilated one keeps its last maps at ``stride``, the stride of the coarsest.
    """

    channels: tuple[int, ...]
    stride: int
    pixel_mean: Triple
    pixel_std: Triple

    def forward(self, x: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def early_layers(self, blocks: int) -> Sequence[nn.Module]:
        """The stem and the first ``blocks`` blocks: the layers that a recipe may freeze."""
        raise NotImplementedError


class Net(nn.Module):
    """Takes what its backbone takes. Evaluation: logits (N, C, H / ``stride``, W / ``stride``); a classifier: (N, C).

    In training a network may return a tuple of such logits: the main ones, then those of auxiliary heads. ``multiple``:
    sides that are multiples of it keep all maps aligned; the card asks for them.
    """

    backbone: Backbone
    stride: int
    multiple: int


def conv_bn_relu(channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, batch norm, ReLU; "same" padding."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out), nn.ReLU())


def separable(channels_in: int, channels_out: int, dilation: int = 1) -> nn.Sequential:
    """Depthwise 3 x 3 (atrous when ``dilation`` > 1) and pointwise 1 x 1, each with batch norm and ReLU."""
    depthwise = nn.Conv2d(
        channels_in, channels_in, 3, padding=dilation, dilation=dilation, groups=channels_in, bias=False
    )
    return nn.Sequential(
        depthwise, nn.BatchNorm2d(channels_in), nn.ReLU(), *conv_bn_relu(channels_in, channels_out).children()
    )


def upsample(x: Tensor, like: Tensor) -> Tensor:
    """``x`` resized bilinearly to the height and width of ``like``."""
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
