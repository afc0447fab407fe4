"""Stages that take a Clip and give a Clip, behind either engine or on a video file from anywhere.

Each stage says in its `SEES` how many frames before and after the one it makes it has to see. It holds that many
and no more, so the memory of a chain is the sum of its stages' reaches and does not grow with the length.
"""
