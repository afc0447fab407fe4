"""Stages that take a Clip and give a Clip, behind either engine or on a video file from anywhere.

A stage that looks at neighbouring frames declares how many in its `SEES`, and holds that many and no more: the memory
of a chain is the sum of its stages' reaches and does not grow with the length.
"""
