"""ResNet-18, 50 and 101 as feature pyramids (arXiv 1512.03385).

Parameter names are torchvision's, so a published state_dict loads as it is. As there, the bottleneck's stride
sits at its 3 x 3 convolution.
"""

from collections.abc import Sequence
from typing import Literal, cast

from torch import Tensor, nn
from torch.nn import functional as F

from maskery.training.networks.base import Backbone, Triple

# Blocks in each of the four layers.
DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
WIDTHS = (64, 128, 256, 512)


class _Basic(nn.Module):
    """Two 3 x 3 convolutions and the skip: the block of ResNet-18.

    ``before`` and ``dilation``: how far apart neighbours are in the map that comes in, and in the one that goes out.
    """

    expansion = 1

    def __init__(self, channels: int, width: int, stride: int, before: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = _conv3(channels, width, stride, before)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3(width, width, 1, dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _downsample(channels, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class _Bottleneck(nn.Module):
    """1 x 1 down, 3 x 3, 1 x 1 up to four times the width, and the skip: the block of the deeper ones."""

    expansion = 4

    def __init__(self, channels: int, width: int, stride: int, before: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3(width, width, stride, before)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample = _downsample(channels, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def _conv3(channels_in: int, channels_out: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=dilation, dilation=dilation, bias=False)


def _downsample(channels_in: int, channels_out: int, stride: int) -> nn.Module:
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out))


class ResNet(Backbone):
    """The backbone without its classifier; ``early_layers`` counts residual blocks.

    With ``output_stride`` 16 or 8 the layers behind it are dilated instead of strided. Input: ``Backbone``.
    """

    pixel_mean: Triple = (123.675, 116.28, 103.53)
    pixel_std: Triple = (58.395, 57.12, 57.375)

    def __init__(self, name: Literal["resnet18", "resnet50", "resnet101"], output_stride: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        block = _Basic if name == "resnet18" else _Bottleneck
        layers: list[nn.Sequential] = []
        channels, stride, dilation = 64, 4, 1
        for depth, width in zip(DEPTHS[name], WIDTHS, strict=True):
            step = 1 if not layers else 2
            first = step if stride * step <= output_stride else 1
            before, dilation = dilation, dilation * (step // first)
            blocks = [block(channels, width, first, before, dilation)]
            stride, channels = stride * first, width * block.expansion
            blocks += [block(channels, width, 1, dilation, dilation) for _ in range(depth - 1)]
            layers.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.channels = tuple(width * block.expansion for width in WIDTHS)
        self.stride = stride

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        features = []
        for layer in self._layers():
            x = cast(Tensor, layer(x))
            features.append(x)
        return features

    def early_layers(self, blocks: int) -> Sequence[nn.Module]:
        ordered = [block for layer in self._layers() for block in layer]
        return [self.conv1, self.bn1, *ordered[:blocks]]

    def _layers(self) -> tuple[nn.Sequential, ...]:
        return self.layer1, self.layer2, self.layer3, self.layer4
