"""Cutting a person out of a picture: which pixels are the person's, how much, and in which colour."""
