"""A small picture of a latent without the decoder: a linear map from its four channels to RGB."""

import numpy as np
import torch
from torch import Tensor

# Least-squares fit of RGB to the latents of the Stable Diffusion autoencoder, which SVD shares.
TO_RGB = ((0.3512, 0.2297, 0.3227), (0.3250, 0.4974, 0.2350), (-0.2829, 0.1762, 0.2721), (-0.2120, -0.2616, -0.7177))


def preview(latent: Tensor) -> np.ndarray:
    """(4, h, w) scaled latent -> (h, w, 3) float32 in [0, 1]."""
    rgb = torch.einsum("chw,cr->hwr", latent.float().cpu(), torch.tensor(TO_RGB))
    return (rgb / 2 + 0.5).clamp(0, 1).numpy()
