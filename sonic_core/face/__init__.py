"""Where the face is, which box to cut around it, and what it looks like as numbers."""
