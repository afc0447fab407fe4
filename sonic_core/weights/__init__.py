"""Model files: what they are and where they come from; finding, reading, checking, converting and downloading them."""
