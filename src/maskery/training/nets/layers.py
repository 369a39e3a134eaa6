"""Layers that several networks share."""

from torch import Tensor, nn
from torch.nn import functional as F


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
