"""Articulated bodies of round cones and membranes, traced where they are and moved by their gait."""
