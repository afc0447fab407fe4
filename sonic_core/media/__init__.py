"""Media files: everything that touches PyAV, PIL or codecs. Files are probed and capped before they are decoded."""
