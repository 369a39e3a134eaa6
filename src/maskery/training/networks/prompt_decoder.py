"""The decoder of ``prompt``: maps of a frozen encoder and what was clicked or boxed -> candidates of a mask.

Everything that a prompt says enters as maps, and as similarity: how much a place looks like the places under the
clicks, in the box, outside it and in the former mask (cosine of an embedding and its mean there).
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from maskery.training.networks.base import Net
from maskery.training.networks.frozen_encoder import FrozenEncoder

CANDIDATES = 3
STRIDES = (2, 4, 8, 16)
"""Of the maps that the encoder gives, in their order."""
PROMPT_STRIDE, MASK_STRIDE = 4, 2
PROMPT_MAPS = 4
"""Positive clicks, negative clicks, box, former mask."""
WIDTHS = (16, 32, 64, 128)
"""Channels at each of ``STRIDES``."""
EMBEDDING = 32
SIMILARITIES = PROMPT_MAPS + 1
EPS = 1e-4


def _conv_bn(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, bias=False), nn.BatchNorm2d(channels_out))


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def _mean_under(x: Tensor, weight: Tensor) -> Tensor:
    """Mean of ``x`` (1 or B, C, h, w) under ``weight`` (B, 1, h, w): (B, C, 1, 1), zero where there is no weight."""
    return (x * weight).sum((2, 3), keepdim=True) / (weight.sum((2, 3), keepdim=True) + EPS)


class _Mix(nn.Module):
    """Depthwise, batch norm, ReLU, pointwise, batch norm; added to what it got, ReLU."""

    def __init__(self, channels: int, kernel: int = 3, dilation: int = 1) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.depthwise = nn.Conv2d(
            channels, channels, kernel, padding=padding, dilation=dilation, groups=channels, bias=False
        )
        self.norm = nn.BatchNorm2d(channels)
        self.pointwise = _conv_bn(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + cast(Tensor, self.pointwise(F.relu(self.norm(self.depthwise(x))))))


class _Scores(nn.Module):
    """What IoU each candidate will have: from its confidence, its size and what is seen inside and outside of it."""

    def __init__(self, channels: int, context: int) -> None:
        super().__init__()
        self.context = nn.Conv2d(context, 32, 1)
        self.first = nn.Conv2d(2 * channels + 3, 32, 1)
        self.last = nn.Conv2d(32, 1, 1)

    def forward(self, logits: Tensor, x4: Tensor, x16: Tensor) -> Tensor:
        """Logits (B, K, 2h, 2w), maps (B, C, h, w) and (B, C', h / 4, w / 4) -> (B, K), 0 to 1."""
        seen, scores = self.context(x16.mean((2, 3), keepdim=True)), []
        probability = F.avg_pool2d(logits, 2).sigmoid()
        for k in range(CANDIDATES):
            inside = probability[:, k : k + 1]
            sure = (inside - 0.5).abs().mean((2, 3), keepdim=True) * 2
            within = (inside * inside).sum((2, 3), keepdim=True) / (inside.sum((2, 3), keepdim=True) + EPS)
            size = inside.mean((2, 3), keepdim=True)
            facts = [_mean_under(x4, inside), _mean_under(x4, 1 - inside), sure, within, size]
            scores.append(self.last(F.relu(seen + self.first(torch.cat(facts, 1)))))
        return torch.cat(scores, 1).flatten(1).sigmoid()


class PromptDecoder(nn.Module):
    """Four maps (1 or B, C, h, w) at ``STRIDES`` and prompts (B, 4, H / 4, W / 4) -> logits (B, 3, H / 2, W / 2) and
    predicted IoU (B, 3). While training, B may be any multiple of the maps' batch.

    ``channels``: of the four maps. Maps and prompts are only added and multiplied, never concatenated, so that one
    picture's maps serve any number of prompts.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        w2, w4, w8, w16 = WIDTHS
        asked = PROMPT_MAPS + SIMILARITIES
        self.embed8 = nn.Conv2d(channels[2], EMBEDDING, 1)
        self.embed16 = nn.Conv2d(channels[3], EMBEDDING, 1, bias=False)
        self.lateral16, self.ask16 = _conv_bn(channels[3], w16), nn.Conv2d(asked, w16, 3, padding=1)
        self.under = nn.ModuleList(nn.Conv2d(w16, w16, 1, bias=False) for _ in range(PROMPT_MAPS))
        self.whole = nn.Conv2d(w16, w16, 1)
        self.mix16 = nn.Sequential(_Mix(w16, 5), _Mix(w16, 5), _Mix(w16, 5, dilation=2), _Mix(w16, 5))
        self.reduce16 = _conv_bn(w16, w8)
        self.lateral8, self.ask8 = _conv_bn(channels[2], w8), nn.Conv2d(asked, w8, 3, padding=1)
        self.mix8 = nn.Sequential(_Mix(w8, 5), _Mix(w8), _Mix(w8))
        self.reduce8 = _conv_bn(w8, w4)
        self.lateral4, self.ask4 = _conv_bn(channels[1], w4), nn.Conv2d(PROMPT_MAPS, w4, 3, padding=1)
        self.mix4 = nn.Sequential(_Mix(w4), _Mix(w4))
        self.reduce4 = _conv_bn(w4, w2)
        self.lateral2 = nn.Conv2d(channels[0], w2, 1)
        self.mix2 = nn.Conv2d(w2, w2, 3, padding=1)
        self.candidates = nn.Conv2d(w2, CANDIDATES, 3, padding=1)
        self.scores = _Scores(w4, w16)

    def forward(
        self, map2: Tensor, map4: Tensor, map8: Tensor, map16: Tensor, prompts: Tensor
    ) -> tuple[Tensor, Tensor]:
        prompts8 = F.avg_pool2d(prompts, 2)
        asked8 = torch.cat([prompts8, self._similar(map8, map16, prompts8)], 1)
        asked16 = F.avg_pool2d(asked8, 2)
        x = F.relu(self._each(self.lateral16(map16), prompts) + self.ask16(asked16))
        context = self.whole(x.mean((2, 3), keepdim=True))
        for i, under in enumerate(self.under):
            context = context + under(_mean_under(x, asked16[:, i : i + 1]))
        x16 = self.mix16(F.relu(x + context))
        lateral8, lateral4, lateral2 = (
            self._each(lateral(one), prompts)
            for lateral, one in ((self.lateral8, map8), (self.lateral4, map4), (self.lateral2, map2))
        )
        x8 = self.mix8(F.relu(lateral8 + _twice(self.reduce16(x16)) + self.ask8(asked8)))
        x4 = self.mix4(F.relu(lateral4 + _twice(self.reduce8(x8)) + self.ask4(prompts)))
        x2 = F.relu(self.mix2(F.relu(lateral2 + _twice(self.reduce4(x4)))))
        logits = self.candidates(x2)
        return logits, self.scores(logits.detach(), x4.detach(), x16.detach())

    def _each(self, x: Tensor, prompts: Tensor) -> Tensor:
        """While training, several prompts follow each other for each window: its maps once for each of them.

        A graph has no need of it: one window is added to all prompts, and of several each has its own.
        """
        return x.repeat_interleave(len(prompts) // len(x), 0) if self.training else x

    def _similar(self, map8: Tensor, map16: Tensor, prompts8: Tensor) -> Tensor:
        """(B, 5, h, w) at stride 8: similarity to what is under each prompt map, and to what is outside the box."""
        embedded = self.embed8(map8) + _twice(self.embed16(map16))
        embedded = self._each(embedded / (embedded.square().sum(1, keepdim=True) + EPS).sqrt(), prompts8)
        box = prompts8[:, 2:3]
        outside = (1 - box) * box.amax((2, 3), keepdim=True)
        areas = [prompts8[:, i : i + 1] for i in range(PROMPT_MAPS)] + [outside]
        similar = [(embedded * _mean_under(embedded, area)).sum(1, keepdim=True) for area in areas]
        return torch.cat(similar, 1)


class PromptNet(Net):
    """A ``PromptDecoder`` behind the encoder that gives it its maps, which never learns (``FrozenEncoder``).

    ``forward``: a picture as the encoder takes it, or the maps of one, and prompts; without prompts all of the
    picture is the box.
    """

    def __init__(self, encoder: FrozenEncoder) -> None:
        super().__init__()
        self.encoder = self.backbone = encoder
        self.stride, self.multiple = MASK_STRIDE, 32
        self.decoder = PromptDecoder(encoder.channels)

    def forward(self, x: Tensor | Sequence[Tensor], prompts: Tensor | None = None) -> tuple[Tensor, Tensor]:
        maps = self.backbone(x) if isinstance(x, Tensor) else x
        if prompts is None:
            prompts = torch.zeros(len(maps[1]), PROMPT_MAPS, *maps[1].shape[2:], device=maps[1].device)
            prompts[:, 2] = 1
        result: tuple[Tensor, Tensor] = self.decoder(*maps, prompts)
        return result
