"""The light decoder of ``everyday``: a feature pyramid of depthwise-separable convolutions with a global context."""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from maskery.training.networks.base import Backbone, Net, upsample


def _conv_bn(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out))


class _Separable(nn.Module):
    """Depthwise 3 x 3 (optionally dilated), batch norm, pointwise 1 x 1, batch norm, ReLU, with a skip."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels, channels, 3, padding=dilation, dilation=dilation, groups=channels, bias=False
        )
        self.norm = nn.BatchNorm2d(channels)
        self.pointwise = _conv_bn(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + cast(Tensor, self.pointwise(F.relu(self.norm(self.depthwise(x))))))


class LightDecoder(Net):
    """Network ``light_decoder``: (N, 3, H, W) normalised float32 -> logits (N, classes, ceil(H/4), ceil(W/4)).

    Top-down: each map is projected to ``width`` channels, added to the upsampled coarser one and mixed by separable
    convolutions. The coarsest map first gets the picture's mean (as ASPP's image pooling, arXiv 1706.05587) and one
    dilated mix, so that a pixel knows what else is in the picture.
    """

    def __init__(self, backbone: Backbone, classes: int, width: int = 128, dropout: float = 0.1) -> None:
        super().__init__()
        self.backbone = backbone
        self.stride, self.multiple = 4, 32
        c4, c8, c16, c32 = self.backbone.channels
        self.lateral32 = _conv_bn(c32, width)
        self.context = nn.Conv2d(c32, width, 1)
        self.mix32 = nn.Sequential(_Separable(width), _Separable(width, dilation=2))
        self.lateral16 = _conv_bn(c16, width)
        self.mix16 = nn.Sequential(_Separable(width), _Separable(width))
        self.lateral8 = _conv_bn(c8, width)
        self.mix8 = nn.Sequential(_Separable(width), _Separable(width))
        self.reduce = _conv_bn(width, width // 2)
        self.lateral4 = _conv_bn(c4, width // 2)
        self.mix4 = _Separable(width // 2)
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(width // 2, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        f4, f8, f16, f32 = self.backbone(x)
        y = self.lateral32(f32) + self.context(f32.mean((2, 3), keepdim=True))
        y = self.mix32(F.relu(y))
        y = self.mix16(F.relu(self.lateral16(f16) + upsample(y, f16)))
        y = self.mix8(F.relu(self.lateral8(f8) + upsample(y, f8)))
        y = self.mix4(F.relu(self.lateral4(f4) + upsample(self.reduce(y), f4)))
        return cast(Tensor, self.classify(self.dropout(y)))
