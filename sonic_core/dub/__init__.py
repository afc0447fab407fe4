"""Dubbing: a video that is there already speaks with another voice. Only the lower faces change.

`people` watches the whole video once and keeps where every face is; `faces` smooths that into what the painter needs;
`mouth` draws one new mouth into one frame; `dub` strings them together with an engine's motion into a lazy Clip.
"""
