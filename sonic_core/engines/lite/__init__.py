"""The bundled engine: speech features, latent motion diffusion, and a renderer that warps the photo itself."""
