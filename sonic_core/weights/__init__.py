"""Model files: which there are and where from, reading them without unpickling, converting, downloading."""
