"""Dubbing: an existing video gets another voice. Only the lower faces change.

`people` watches the whole video once and notes where every face is; `faces` smooths that for the painter;
`mouth` draws one new mouth into one frame; `dub` strings them together with an engine's motion into a lazy Clip.
"""
