"""The product as a library; it never imports ComfyUI."""
