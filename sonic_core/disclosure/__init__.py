"""Saying that AI made it: the visible label, the AIGC record, C2PA signatures, and reading them back."""
