"""Speech: a waveform to features, by Whisper or HuBERT, and the windows over them."""
