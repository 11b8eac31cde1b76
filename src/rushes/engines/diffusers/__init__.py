"""The diffusers engine: open-weight video models on the operator's own GPUs.

    recipe → weights → placement → pipeline → parts → pictures

A *recipe* (`recipes/*.toml`, or the operator's own file) is data: how one open model is loaded and run. `weights`
reads what its files say without loading them, `placement` decides from that and from the free memory where its
components will live, `loading` builds the pipeline, `running` makes a shot's parts with it, and `pictures` turns the
last tensor into frames. torch and diffusers are imported by `loading` and what comes after it, never before: making
the engine, its capabilities, plan and footprint are instant.

Four rules, each the price of an accident: nothing is ever looked up on the hub while rendering; only safetensors are
read, and no code of a checkpoint is run; a job may be stopped inside a step; and whatever happens to one job, the
next one's output is bit for bit what a fresh process would make.
"""

from rushes.engines.diffusers.engine import DiffusersEngine

__all__ = ["DiffusersEngine"]
