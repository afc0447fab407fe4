"""Live talks: a photo speaks while the sound comes in. `session` is the core, `pace` the clock, `encoder` an output."""
