"""How the bundled speech encoder was made: voices, phones, augmentation, training."""
