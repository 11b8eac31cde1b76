"""What surrounds the subject: sky, sea, land. Each layer draws itself into a canvas of light and distance."""
