"""The engine itself: its options, what it can do and will take, and the way from a shot to a clip."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rushes.core.errors import EngineError, OutOfMemory, SetupError, WorkerLost
from rushes.core.request import Phase
from rushes.core.shot import Shot
from rushes.engines.base import Capabilities, Control, Footprint, FrameClip, Picture, Plan, Report
from rushes.engines.diffusers import loading, machine, placement, sizes
from rushes.engines.diffusers.eta import History, Pace, Timing
from rushes.engines.diffusers.families import FAMILIES
from rushes.engines.diffusers.options import adjusted, check_options, default_models, rung_called
from rushes.engines.diffusers.placement import Needs, Placement
from rushes.engines.diffusers.recipe import GIB, read_recipe
from rushes.engines.diffusers.sizes import Schedule
from rushes.engines.diffusers.weights import read_weights

BYTES_PER_SECOND = 1.5e9
"""At which weights come from a fast disk, for the estimate of the load."""
GUESSED = {"prompt": 0.05, "decode": 0.15}
"""Shares of the denoising time, until a clip has been measured."""


class DiffusersEngine:
    """Options (TOML of the card): `recipe`, a built-in one's name or the path of a .toml file; `weights`, the folder of
    its weights (otherwise its place among `models`, the folder that `rushes pull` fills); `device`, "auto", "cpu",
    "cuda:0", or several for the lever `context_parallel`; `placement`, a rung's name instead of the planned one; `steps`; `levers`, a table that replaces those of
    the recipe key by key; `lora`, a list of tables that are added to the recipe's."""

    name = "diffusers"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        options = options or {}
        check_options(options)
        self.recipe = adjusted(read_recipe(options["recipe"]), options)
        self._models = Path(options["models"]).expanduser() if "models" in options else default_models()
        self._weights = Path(options["weights"]).expanduser() if "weights" in options else None
        self._device = str(options.get("device", "auto"))
        self._forced = rung_called(options.get("placement"), self.recipe)
        self._history = History(self._models / "timings.json")
        self._loaded: Any = None
        self._preview: Any = None
        self._rate = 0.0
        self._measured: Footprint | None = None

    @property
    def folders(self) -> dict[str, Path]:
        """Where the weights lie: the recipe's own, and those of its second checkpoint."""
        own = self._weights or self._models / self.recipe.name
        other = self.recipe.image_recipe
        return {self.recipe.name: own, **({other: self._models / read_recipe(other).name} if other else {})}

    @property
    def pipelines(self) -> list[Any]:
        """What is loaded, for those who measure."""
        return list(self._loaded.pipelines)

    @property
    def placement(self) -> str:
        """Where it lies, once it is loaded."""
        return str(self._loaded.placement)

    def planned(self) -> list[tuple[str, float]]:
        """Each rung of the ladder with the GiB that it would take on the device."""
        device = self._devices()[0].name
        return placement.table(Needs.of(self.recipe, self._component_bytes(device)), self._ladder(device))

    def capabilities(self) -> Capabilities:
        recipe = self.recipe
        ignored = (
            " It is distilled: cfg_scale and negative_prompt change nothing." if recipe.distilled else ""
        )
        return Capabilities(
            text_to_video=recipe.text,
            image_to_video=recipe.image or bool(recipe.image_recipe),
            sound=recipe.sound,
            aspect_ratios=tuple(recipe.clip.sizes),
            max_seconds=recipe.clip.max_seconds,
            honours=frozenset({"seed"} if recipe.distilled else {"seed", "cfg_scale", "negative_prompt"}),
            description=f"{recipe.title}, {recipe.clip.fps} frames a second. Licence: {recipe.licence.name}.{ignored}",
        )

    def plan(self, shot: Shot, image_size: tuple[int, int] | None) -> Plan:
        return sizes.plan_clip(self.recipe, shot, image_size)

    def footprint(self) -> Footprint:
        """By arithmetic before `load`, measured after it."""
        if self._measured is not None:
            return self._measured
        device, *others = self._devices()
        components = self._component_bytes(device.name)
        needs = Needs.of(self.recipe, components)
        ladder = placement.rungs(self.recipe, device.name)
        rung = self._forced or placement.choose(needs, ladder, device.total) or ladder[-1]
        return Footprint(
            memory=int(needs.on_device(rung) + placement.HEADROOM),
            device=device.name,
            others=tuple(other.name for other in others),
            load_seconds=5 + sum(components.values()) / BYTES_PER_SECOND,
        )

    def load(self, control: Control) -> None:
        loading.require_libraries()
        for name, folder in self.folders.items():  # before anything heavy: what is wrong with the files
            read_weights(read_recipe(name) if name != self.recipe.name else self.recipe, folder)
        devices = self._devices()
        device, names = _smallest(devices), [device.name for device in devices]
        rung = self._choose(device)
        _tell(f"{self.recipe.name} on {', '.join(names)} ({device.model}): {rung}")
        while self._loaded is None:
            self._loaded = self._try_load(names, rung, control)
            if self._loaded is None:
                rung = self._next_rung(rung, device.name)
        self._settle()

    def adopt(self, pipe: Any) -> None:
        """Become ready with a pipeline that is in memory already, instead of `load`: for measurements. Ranks load the
        transformers from the folder of the weights."""
        loading.require_libraries()
        devices = self._devices()
        names = [device.name for device in devices]
        self._loaded = loading.adopt(self.recipe, pipe, self.folders, names, self._choose(_smallest(devices)))
        self._settle()

    def _settle(self) -> None:
        """What is worked out once of what was loaded."""
        from rushes.engines.diffusers.eta import measure_rate
        from rushes.engines.diffusers.preview import Preview

        loaded = self._loaded
        self._rate = measure_rate(loaded.device)
        resident = loaded.placement.offload == "none"  # elsewhere the VAE comes and goes with its turn
        self._preview = Preview(loaded.text or loaded.image, loaded.device) if resident else None
        self._measured = self._measure(loaded.device)

    def render(
        self, shot: Shot, plan: Plan, image: Picture | None, control: Control, folder: Path
    ) -> FrameClip:
        from rushes.engines.diffusers import pictures

        if self._loaded is None:
            raise EngineError("the engine is not loaded")
        if self._loaded.ranks.broken:
            raise WorkerLost("worker lost: the ranks of the studio are out of step since the job before")
        self._refuse(shot, image)
        schedule = sizes.schedule(self.recipe, plan)
        control.progress(Phase.RENDER, 0.0, "starting")
        rung: Placement = self._loaded.placement
        made, pace, stage = self._attempt(shot, schedule, image, control)
        if made is None:
            smaller = placement.smaller(self._ladder(self._loaded.device), rung)
            if smaller is None or self._loaded.ranks.broken:
                raise self._out_of_memory(stage, schedule, rung)
            _tell(f"out of memory while {stage}: {rung} → {smaller}")
            self._loaded.replace(smaller)
            made, pace, stage = self._attempt(shot, schedule, image, control)
        if made is None:
            raise self._out_of_memory(stage, schedule, self._loaded.placement)
        took = pace.finish()
        self._history.add(self._key(schedule), took)
        self._measured = self._measure(self._loaded.device)
        return FrameClip(
            plan=plan,
            frames=pictures.stream(made.parts, plan.frames),
            audio=made.audio,
            report=Report(warnings=tuple(made.warnings), details=self._details(shot, schedule, made, took)),
            close=made.parts.clear,
        )

    def unload(self) -> None:
        """Let the pipelines go; the process that held them ends right after."""
        import gc

        if self._loaded is not None:
            self._loaded.ranks.close()
        self._loaded = self._preview = None
        gc.collect()
        _free_cache()

    def first_estimate(self, schedule: Schedule) -> Timing:
        """Seconds by the formula alone. Only after `load`, which measures the device."""
        from rushes.engines.diffusers.eta import step_seconds

        step = step_seconds(self.recipe, schedule, self._rate) / self.recipe.levers.context_parallel
        denoise = step * self.recipe.steps
        return Timing(GUESSED["prompt"] * denoise, step, GUESSED["decode"] * denoise)

    def _attempt(self, shot: Shot, schedule: Schedule, image: Picture | None, control: Control) -> Any:
        """(what was made, its pace, the last stage); nothing made means that memory ran out. Clean whatever happens."""
        from rushes.engines.diffusers import running

        expected = self._history.get(self._key(schedule)) or self.first_estimate(schedule)
        pace = Pace(expected, len(schedule.parts), self.recipe.steps)
        teller = running.Teller(control, pace, len(schedule.parts))
        made = None
        try:
            made = running.run(self._loaded, shot, schedule, image, control, teller, pace, self._preview)
        except BaseException as error:  # noqa: BLE001 - raised again, by its real name
            reason = self._loaded.ranks.explain(error)
            if not loading.is_out_of_memory(reason):
                raise reason from (None if reason is error else error)
        finally:
            self._loaded.clean()
        if made is None:
            _free_cache()
        return made, pace, running.WORDS[teller.stage]

    def _devices(self) -> tuple[machine.Device, ...]:
        return machine.best_devices(self._device, self.recipe.levers.context_parallel)

    def _try_load(self, devices: list[str], rung: Placement, control: Control) -> Any:
        try:
            return loading.load(self.recipe, self.folders, devices, rung, control)
        except BaseException as error:
            if not loading.is_out_of_memory(error):
                raise
        _free_cache()
        return None

    def _refuse(self, shot: Shot, image: Picture | None) -> None:
        """What the card should have refused; said here, too, before a minute is spent."""
        able = self.capabilities()
        if image is None and not able.text_to_video:
            raise EngineError(
                f"recipe {self.recipe.name} needs an image", advice="Send one, or choose another model."
            )
        if image is not None and not able.image_to_video:
            raise EngineError(f"recipe {self.recipe.name} takes no image", advice="Choose another model.")
        if shot.sound and not able.sound:
            raise EngineError(f"recipe {self.recipe.name} makes no sound", advice="Ask for a silent clip.")
        if shot.seconds > able.max_seconds:
            raise EngineError(
                f"recipe {self.recipe.name} makes at most {able.max_seconds} s, not {shot.seconds} s"
            )

    def _component_bytes(self, device: str) -> dict[str, int]:
        """From the weights' headers; before they are there, as the recipe says."""
        kinds = loading.widths(self.recipe, device)
        found: dict[str, int] = {}
        for name, folder in self.folders.items():
            recipe = self.recipe if name == self.recipe.name else read_recipe(name)
            try:
                sizes_of = read_weights(recipe, folder).bytes_at(kinds)
            except SetupError:
                sizes_of = {
                    part: int(size * GIB * kinds["default"] / 2)  # recipes count 16 bits
                    for part, size in recipe.memory.components.items()
                }
            shared = FAMILIES[recipe.family].shared if found else ()
            for part, size in sizes_of.items():
                if part not in shared:
                    found[f"{part}.{name}" if part in found else part] = size
        return found

    def _ladder(self, device: str) -> tuple[Placement, ...]:
        return (self._forced,) if self._forced else placement.rungs(self.recipe, device)

    def _choose(self, device: machine.Device) -> Placement:
        if self._forced is not None:
            return self._forced
        needs, ladder = Needs.of(self.recipe, self._component_bytes(device.name)), self._ladder(device.name)
        host = machine.host_free()
        found = placement.choose(needs, ladder, device.free, host)
        if found is None:
            rows = "; ".join(f"{name} {size:.1f} GiB" for name, size in placement.table(needs, ladder))
            waiting = max(needs.on_host(rung) for rung in ladder)
            beside = (
                f"; what swaps or streams waits in the machine's memory, up to {waiting / GIB:.1f} GiB with"
                f" {host / GIB:.1f} GiB free"
                if waiting
                else ""
            )
            raise OutOfMemory(
                f"{self.recipe.title} does not fit {device.name} with {device.free / GIB:.1f} GiB free: it takes"
                f" {rows}{beside}",
                advice="Free memory there, or choose a smaller recipe: `rushes engines` says what fits.",
            )
        return found

    def _next_rung(self, rung: Placement, device: str) -> Placement:
        found = placement.smaller(self._ladder(device), rung)
        if found is None:
            raise OutOfMemory(
                f"out of memory while loading {self.recipe.title} ({rung})", advice="Choose a smaller recipe."
            )
        return found

    def _out_of_memory(self, stage: str, schedule: Schedule, rung: Placement) -> OutOfMemory:
        """What failed, and what takes at most half of it."""
        plan = schedule.plan
        for mode, seconds in (("pro", 5), ("std", plan.frames // plan.fps), ("std", 5)):
            other = sizes.plan_clip(
                self.recipe, Shot(seconds=seconds, mode=mode, aspect_ratio=_ratio(plan)), None
            )
            if sizes.schedule(self.recipe, other).pixels <= schedule.pixels / 2:
                fits = f"{seconds} s at {other.width}×{other.height} takes at most half of it"
                break
        else:
            fits = "no smaller clip of this recipe takes much less"
        return OutOfMemory(
            f"out of memory while {stage} {plan.seconds:g} s at {plan.width}×{plan.height} ({rung}); {fits}",
            advice="Ask for that, give the device more free memory, or let a smaller recipe serve the model.",
        )

    def _key(self, schedule: Schedule) -> str:
        devices = self._devices()
        model = devices[0].model if len(devices) == 1 else f"{len(devices)} × {devices[0].model}"
        frames = "+".join(str(part.frames) for part in schedule.parts)
        size = f"{schedule.width}x{schedule.height}x{frames}"
        return "|".join(
            [self.recipe.name, model, size, str(self._loaded.placement), f"{self.recipe.steps} steps"]
        )

    def _details(self, shot: Shot, schedule: Schedule, made: Any, took: Timing) -> dict[str, Any]:
        recipe = self.recipe
        details: dict[str, Any] = {
            "recipe": recipe.name,
            "licence": recipe.licence.name,
            "steps": recipe.steps,
            "guidance": None if recipe.distilled else round(recipe.guidance_at(shot.cfg_scale), 3),
            "placement": str(self._loaded.placement),
            "generated": [schedule.width, schedule.height],
            "parts": [part.frames for part in schedule.parts],
            "seconds_per_step": round(took.step, 4),
        }
        if made.seams:
            details["seams"] = [round(seam, 2) for seam in made.seams]
        return details

    def _measure(self, device: str) -> Footprint:
        before = self._measured
        if device == "cpu":
            import psutil

            memory = psutil.Process().memory_info().rss
        else:
            import torch

            memory = torch.cuda.max_memory_reserved(device)
        peak = max(memory, before.memory if before else 0)
        others = tuple(other.name for other in self._devices()[1:])
        return Footprint(
            memory=peak, device=device, load_seconds=max(1.0, self._loaded.seconds), others=others
        )


def _smallest(devices: Sequence[machine.Device]) -> machine.Device:
    """Ranks hold about the same: the one with the least free memory decides."""
    return min(devices, key=lambda device: device.free)


def _ratio(plan: Plan) -> Any:
    if plan.width == plan.height:
        return "1:1"
    return "16:9" if plan.width > plan.height else "9:16"


def _tell(line: str) -> None:
    """To the studio's log, or whoever runs a self-test; what programs read goes another way."""
    print(line, file=sys.stderr, flush=True)


def _free_cache() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
