"""The animatic engine: a 3D renderer on the CPU with nothing to download.

In film an *animatic* is the moving pre-visualisation of a shot: composition, light, weather, subject, camera.

    prompt → Brief → Scene → frames

`prompt/` reads the words, `scene/` composes a scene from them, `world/` and `creature/` draw it, `photo/` moves a
photograph, `post/` turns light into pictures, `sound/` makes the air heard. Vocabularies, places, times, weathers and
looks are data (`data/*.toml`); kernels (numba) know arrays and nothing of prompts.
"""

from rushes.engines.animatic.engine import AnimaticEngine

__all__ = ["AnimaticEngine"]
