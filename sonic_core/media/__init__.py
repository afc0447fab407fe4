"""Files in and out: everything that touches PyAV, PIL or codecs. Probes and caps come before decoding."""
