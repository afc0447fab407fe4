"""How the bundled motion diffusion model was made."""
