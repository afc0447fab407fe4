"""Frames in time: windows over a clip, optical flow, interpolation."""
