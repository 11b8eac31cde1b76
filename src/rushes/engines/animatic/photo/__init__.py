"""Image-to-video: a photograph gets depth, and a camera moves through it."""
