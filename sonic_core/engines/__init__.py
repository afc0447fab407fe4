"""What turns (portrait, speech) into latents and latents into frames; see `base.Engine` for the protocol."""
