"""A ComfyUI server as seen from outside: its HTTP client, and a fleet backend that drives it."""
