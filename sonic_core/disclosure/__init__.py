"""Disclosure that AI made a video: the visible label, the AIGC record and C2PA signatures, written and read."""
