"""Several people in one picture talk to one another: a voice each, and the others listen."""
