"""Touch: the gel in each fingertip, the picture it gives, and the forces that press on it."""
