"""A ComfyUI server as seen from outside: its HTTP client, and a fleet backend that drives it."""

JOB_KEY = "sonic_job"  # in a prompt's extra_pnginfo: the job that our nodes name in a video's AI record
