"""EfficientNet-Lite0 as a feature pyramid (arXiv 1905.11946; "Lite": no squeeze-and-excite, ReLU6).

Parameter names follow the published ImageNet checkpoint, so its file loads without a renaming table.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from maskery.training.networks.base import Backbone, Triple

# (repeats, kernel, stride of the first block, expansion, output channels), stage by stage.
LITE0_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
WIDE_HEAD = len(LITE0_STAGES) + 1
"""The ``last_stage`` that means the layer behind the stages."""
HEAD_CHANNELS = 1280
# Pixels are normalised as (x - 127) / 128 in the checkpoint's own training.
PIXEL_MEAN = 127.0
PIXEL_STD = 128.0


def _same_pad(x: Tensor, kernel: int, stride: int) -> Tensor:
    """Pad as TensorFlow's "SAME" does for even sizes: the odd pixel goes right and below."""
    total = kernel - stride
    return F.pad(x, [total // 2, total - total // 2] * 2)


class _Block(nn.Module):
    """Inverted residual: expand 1 x 1, depthwise k x k, project 1 x 1; skip where shape allows."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, stride: int, expansion: int, dilation: int = 1
    ) -> None:
        super().__init__()
        hidden = channels_in * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = nn.Conv2d(channels_in, hidden, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(hidden, eps=1e-3, momentum=0.01)
        padding = dilation * (kernel // 2) if stride == 1 else 0
        self._depthwise_conv = nn.Conv2d(
            hidden, hidden, kernel, stride, padding=padding, dilation=dilation, groups=hidden, bias=False
        )
        self._bn1 = nn.BatchNorm2d(hidden, eps=1e-3, momentum=0.01)
        self._project_conv = nn.Conv2d(hidden, channels_out, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(channels_out, eps=1e-3, momentum=0.01)
        self.kernel, self.stride = kernel, stride
        self.skips = stride == 1 and channels_in == channels_out

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        if self.stride != 1:
            y = _same_pad(y, self.kernel, self.stride)
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        result: Tensor = x + y if self.skips else y
        return result


class EfficientNetLite0(Backbone):
    """The backbone: maps at strides 4, 8, 16 and 32 with (24, 40, 112, 192) channels.

    ``last_stage`` of 7: the last (320 channels) is left out unless asked for, it costs a fifth of the parameters and
    serves a classifier; 5 stops at stride 16 with 112 channels. 8 adds the layer behind the stages, which widens the
    last map to 1280 channels. With ``output_stride`` 16 the stages behind it are dilated instead of strided, so the
    last map stays at stride 16 (as arXiv 1706.05587).
    Input and ``early_layers``: ``Backbone``.
    """

    pixel_mean: Triple = (PIXEL_MEAN,) * 3
    pixel_std: Triple = (PIXEL_STD,) * 3

    def __init__(self, last_stage: int = 6, output_stride: int = 32) -> None:
        super().__init__()
        self._conv_stem = nn.Conv2d(3, 32, 3, stride=2, bias=False)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3, momentum=0.01)
        blocks: list[nn.Module] = []
        ends: list[tuple[int, int]] = []  # last block and channels of each stride, finest first
        channels, stride, dilation = 32, 2, 1
        for repeats, kernel, step, expansion, out in LITE0_STAGES[:last_stage]:
            # The first block of a dilated stage still sees the undilated map before it.
            first, first_dilation = (step, dilation) if stride * step <= output_stride else (1, dilation)
            stride, dilation = stride * first, dilation * (step // first)
            for i in range(repeats):
                rate = dilation if i else first_dilation
                blocks.append(_Block(channels, out, kernel, first if i == 0 else 1, expansion, rate))
                channels = out
            if step == 2 or not ends:
                ends.append((0, 0))
            ends[-1] = (len(blocks) - 1, channels)
        # The first entry is stride 2, of no use to a decoder.
        self.taps = tuple(block for block, _ in ends[1:])
        self.channels = tuple(channels for _, channels in ends[1:])
        self.stride = stride
        self._blocks = nn.ModuleList(blocks)
        self.widens = last_stage == WIDE_HEAD
        if self.widens:
            self._conv_head = nn.Conv2d(channels, HEAD_CHANNELS, 1, bias=False)
            self._bn1 = nn.BatchNorm2d(HEAD_CHANNELS, eps=1e-3, momentum=0.01)
            self.channels = (*self.channels[:-1], HEAD_CHANNELS)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu6(self._bn0(self._conv_stem(_same_pad(x, 3, 2))))
        features = []
        for i, block in enumerate(self._blocks):
            x = block(x)
            if i in self.taps:
                features.append(x)
        if self.widens:
            features[-1] = F.relu6(self._bn1(self._conv_head(features[-1])))
        return features

    def early_layers(self, blocks: int) -> Sequence[nn.Module]:
        """The stem and the first ``blocks`` blocks: the layers that a recipe may freeze."""
        return [self._conv_stem, self._bn0, *list(self._blocks)[:blocks]]
