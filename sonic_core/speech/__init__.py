"""Speech: waveforms to features by Whisper or HuBERT, pitch, and the windows that condition a frame."""
