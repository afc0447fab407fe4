"""A photo that speaks while the sound comes in: `session` is the core, `pace` its clock, `encoder` its way out."""
