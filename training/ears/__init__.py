"""How the lite engine learned to listen: features of the Whisper encoder in, mouth and articulation out."""
