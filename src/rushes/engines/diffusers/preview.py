"""A picture of the clip while it is still latents.

A latent pixel is nearly a linear mix of a colour, so a small matrix turns latents into a rough picture at no cost. The
matrix is not known beforehand: it is fitted, by least squares, to what the model's own VAE makes of a chart of random
colours. Shown is not the noisy state itself but where its last step points: the clip as it would be if the rest of the
way were straight.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rushes.engines.base import Picture

PATCH = 3
"""Latent pixels per side of one colour of the chart; the middle one is read."""
GRID = 8
LARGEST = 512
"""Pixels of the preview's long side."""


class Preview:
    """Fitted when it is made. `picture` takes the latents of each step."""

    def __init__(self, pipe: Any, device: str) -> None:
        self._pipe = pipe
        self._device = device
        self._map = self._fit()
        self._before: tuple[Any, float] | None = None

    def begin(self) -> None:
        """Forget the last job's latents."""
        self._before = None

    def picture(self, latents: Any, grid: tuple[int, int, int], wanted: bool = True) -> Picture | None:
        """The middle frame as uint8 (h, w, 3); `grid` is (frames, height, width) of the latents, for those pipelines
        that keep them as a list of tokens. Call it at each step; None when it is not `wanted`, or before there is
        anything to see."""
        heading = self._heading(latents)
        if heading is None or not wanted:
            return None
        heading = _unpacked(heading, grid, len(self._map) - 1)
        frame = heading[0, :, heading.shape[2] // 2].permute(1, 2, 0).float()
        if frame.shape[-1] + 1 != self._map.shape[0]:
            return None
        rgb = frame @ self._map[:-1] + self._map[-1]
        small = (rgb.clamp(0, 1) * 255).round().byte().cpu().numpy()
        return _enlarged(small)

    def _heading(self, latents: Any) -> Any:
        """x₀ = xₜ − σ·v, with the direction v read off the last two states."""
        scheduler = self._pipe.scheduler
        index = getattr(scheduler, "step_index", None)
        sigmas = getattr(scheduler, "sigmas", None)
        if index is None or sigmas is None or index >= len(sigmas):
            return latents
        sigma = float(sigmas[index])
        before, self._before = self._before, (latents, sigma)
        if before is None or before[1] <= sigma:
            return None
        return latents + (latents - before[0]) * (sigma / (before[1] - sigma))

    def _fit(self) -> Any:
        """(channels + 1, 3): latents to colours in 0…1."""
        import torch

        vae = self._pipe.vae
        factor = _spatial_factor(self._pipe)
        draw = torch.Generator().manual_seed(0)
        colours = torch.rand((3, GRID, GRID), generator=draw)
        chart = colours.repeat_interleave(PATCH * factor, 1).repeat_interleave(PATCH * factor, 2)
        pixels = (chart * 2 - 1)[None, :, None].to(self._device, vae.dtype)
        with torch.no_grad():
            encoded = vae.encode(pixels)
            latents = encoded.latent_dist.mode() if hasattr(encoded, "latent_dist") else encoded.latents
            latents = _normalised(vae, latents.float())[0, :, 0]
        if hasattr(vae, "clear_cache"):
            vae.clear_cache()
        centre = PATCH // 2
        cells = latents[:, centre::PATCH, centre::PATCH][:, :GRID, :GRID]
        known = cells.reshape(cells.shape[0], -1).T.double().cpu()
        known = torch.cat([known, torch.ones(len(known), 1, dtype=torch.float64)], 1)
        wanted = colours.reshape(3, -1).T.double()
        ridge = 1e-3 * torch.eye(known.shape[1], dtype=torch.float64)
        solved = torch.linalg.solve(known.T @ known + ridge, known.T @ wanted)
        return solved.float().to(self._device)


def _normalised(vae: Any, latents: Any) -> Any:
    """As the pipeline hands latents to the denoiser: zero mean and unit spread per channel, or scaled."""
    import torch

    kept = {**dict(vae.config), **dict(vae.named_buffers())}  # some keep them as numbers, some as weights
    mean, std = kept.get("latents_mean"), kept.get("latents_std")
    scale = kept.get("scaling_factor") or 1.0
    if mean is None or std is None:
        return latents * scale
    shape = (1, -1, 1, 1, 1)
    centre = torch.as_tensor(mean, device=latents.device, dtype=latents.dtype).view(shape)
    spread = torch.as_tensor(std, device=latents.device, dtype=latents.dtype).view(shape)
    return (latents - centre) * scale / spread


def _unpacked(latents: Any, grid: tuple[int, int, int], channels: int) -> Any:
    """(1, channels, frames, height, width), from a list of tokens, from channels last, from frames first, or as it
    is."""
    frames, height, width = grid
    if latents.ndim == 3:
        return latents[:1].permute(0, 2, 1).reshape(1, latents.shape[2], frames, height, width)
    if latents.shape[2:] == (height, width, channels):
        return latents[:1].permute(0, 4, 1, 2, 3)
    if latents.shape[1] == frames and latents.shape[2] != frames:
        return latents[:1].permute(0, 2, 1, 3, 4)
    return latents[:1]


def _spatial_factor(pipe: Any) -> int:
    for name in ("vae_scale_factor_spatial", "vae_spatial_compression_ratio"):
        if hasattr(pipe, name):
            return int(getattr(pipe, name))
    return 8


def _enlarged(small: Picture) -> Picture:
    from PIL import Image

    height, width = small.shape[:2]
    scale = max(1, LARGEST // max(height, width))
    image = Image.fromarray(small).resize((width * scale, height * scale), Image.Resampling.BICUBIC)
    return np.asarray(image)
