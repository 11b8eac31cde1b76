"""Full-size architectures with random weights: how long a model takes does not depend on the values in it.

They are built straight on the device and in the precision in which the engine loads a checkpoint: what a model keeps in
32 bits stays there. `twin` makes a second pipeline over the same weights, so that two can take turns on a GPU that has
room for one.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import torch

from rushes.engines.diffusers.recipe import Recipe, read_recipe

PROMPT = "a lighthouse on a cliff, waves breaking"


@dataclass(frozen=True)
class Model:
    """`make` builds the pipeline on a device; `recipe` is how the engine runs it. `layers` and `width` are those of the
    denoiser."""

    recipe: str
    make: Callable[[str], Any]
    layers: int
    width: int
    tiny: bool = False

    def adjusted(
        self, size: tuple[int, int] | None = None, fps: int | None = None, steps: int | None = None
    ) -> Recipe:
        """The recipe for this model, for clips of that size, frame rate and steps; its own where None."""
        recipe = small(read_recipe(self.recipe)) if self.tiny else read_recipe(self.recipe)
        clip = msgspec.structs.replace(
            recipe.clip,
            sizes=recipe.clip.sizes if size is None else {"16:9": size},
            fps=fps or recipe.clip.fps,
        )
        return msgspec.structs.replace(recipe, clip=clip, steps=steps or recipe.steps)


def small(recipe: Recipe) -> Recipe:
    """For the smallest clip: 64×32 at one frame a second."""
    clip = msgspec.structs.replace(recipe.clip, sizes={"16:9": (64, 32)}, fps=1, multiple=32)
    memory = msgspec.structs.replace(recipe.memory, components={}, denoise=0.1, decode=0.1, decode_tiled=0.1)
    return msgspec.structs.replace(recipe, clip=clip, memory=memory)


def wan(
    *,
    heads: int,
    head: int,
    ffn: int,
    layers: int,
    channels: int = 16,
    experts: int = 1,
    text: tuple[int, int] = (4096, 24),
    vae: dict[str, Any] | None = None,
    expand: bool = False,
) -> Callable[[str], Any]:
    """A Wan pipeline; `text` is width and layers of its UMT5 encoder, `vae` the arguments of the autoencoder."""

    def make(device: str) -> Any:
        from diffusers import AutoencoderKLWan, UniPCMultistepScheduler, WanPipeline, WanTransformer3DModel
        from transformers import UMT5Config, UMT5EncoderModel

        width, depth = text
        config = UMT5Config(
            vocab_size=256_384 if depth > 2 else 300,
            d_model=width,
            d_kv=64,
            d_ff=width * 5 // 2,
            num_heads=max(1, width // 64),
            num_layers=depth,
        )
        with made_on(device):
            autoencoder = in_precision(AutoencoderKLWan(**(vae or {})), torch.float32)  # type: ignore[arg-type,unused-ignore]
            encoder = in_precision(UMT5EncoderModel(config), precision(device))
            denoisers = [
                in_precision(
                    WanTransformer3DModel(
                        num_attention_heads=heads,
                        attention_head_dim=head,
                        in_channels=channels,
                        out_channels=channels,
                        text_dim=width,
                        ffn_dim=ffn,
                        num_layers=layers,
                    ),
                    precision(device),
                )
                for _ in range(experts)
            ]
        return settled(
            WanPipeline(
                tokenizer=byte_tokenizer(),
                text_encoder=encoder,
                vae=autoencoder,
                scheduler=UniPCMultistepScheduler(
                    prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0
                ),
                transformer=denoisers[0],
                transformer_2=denoisers[1] if experts == 2 else None,
                boundary_ratio=0.875 if experts == 2 else None,
                expand_timesteps=expand,
            )
        )

    return make


def ltx2(device: str) -> Any:
    """LTX-2 (19 billion parameters, with sound): the classes' own defaults are its published configuration; its text
    encoder is Gemma 3 12B."""
    from diffusers import (
        AutoencoderKLLTX2Audio,
        AutoencoderKLLTX2Video,
        FlowMatchEulerDiscreteScheduler,
        LTX2Pipeline,
        LTX2VideoTransformer3DModel,
    )
    from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    words = {
        "vocab_size": 262_208,
        "hidden_size": 3840,
        "intermediate_size": 15_360,
        "num_hidden_layers": 48,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 256,
        "pad_token_id": 0,
        "eos_token_id": 1,
    }
    eyes = {  # never used: the smallest there is
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    config = Gemma3Config(text_config=words, vision_config=eyes, mm_tokens_per_image=4, image_token_index=2)
    kinds: list[tuple[str, Callable[[], Any]]] = [
        ("text_encoder", lambda: Gemma3ForConditionalGeneration(config)),
        ("transformer", LTX2VideoTransformer3DModel),
        ("connectors", LTX2TextConnectors),
        ("vae", AutoencoderKLLTX2Video),
        ("audio_vae", AutoencoderKLLTX2Audio),
        ("vocoder", LTX2Vocoder),
    ]
    with made_on(device):
        parts = {name: in_precision(make(), precision(device)) for name, make in kinds}
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05)
    return settled(LTX2Pipeline(tokenizer=byte_tokenizer(side="left"), scheduler=scheduler, **parts))


LARGE_VAE = {
    "base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "is_residual": True, "in_channels": 12, "out_channels": 12,
    "patch_size": 2, "scale_factor_spatial": 16, "latents_mean": [0.0] * 48, "latents_std": [1.0] * 48,
}  # fmt: skip
SMALL_VAE = {"base_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}
MODELS = {
    "wan2.1-1.3b": Model("wan2.1-1.3b", wan(heads=12, head=128, ffn=8960, layers=30), 30, 1536),
    "wan2.2-ti2v-5b": Model(
        "wan2.2-ti2v-5b",
        wan(heads=24, head=128, ffn=14336, layers=30, channels=48, vae=LARGE_VAE, expand=True),
        30,
        3072,
    ),
    "wan2.2-t2v-a14b": Model(
        "wan2.2-t2v-a14b", wan(heads=40, head=128, ffn=13824, layers=40, experts=2), 40, 5120
    ),
    "ltx-2": Model("ltx-2.3", ltx2, 48, 4096),
}
TINY = {
    "tiny": Model(
        "wan2.1-1.3b",
        wan(heads=2, head=12, ffn=32, layers=2, experts=2, text=(32, 2), vae=SMALL_VAE),
        2,
        24,
        tiny=True,
    )
}


def made_on(device: str) -> torch.device:
    """A context in which everything is made on `device`, always with the same random values."""
    torch.manual_seed(0)
    return torch.device(device)


def precision(device: str) -> torch.dtype:
    return torch.float32 if device == "cpu" else torch.bfloat16


def in_precision(part: Any, kind: torch.dtype) -> Any:
    """`part` as `from_pretrained` would leave it: what its class keeps in 32 bits stays there, and so do the buffers that
    no checkpoint holds. Done before the next part is made, so that only one at a time takes 32 bits."""
    from transformers import PreTrainedModel

    key = "_keep_in_fp32_modules_strict" if isinstance(part, PreTrainedModel) else "_keep_in_fp32_modules"
    kept = getattr(part, key, None) or ()
    for name, tensor in part.state_dict(keep_vars=True).items():
        if tensor.is_floating_point():
            wide = any(word in name.split(".") for word in kept)
            tensor.data = tensor.data.to(torch.float32 if wide else kind)
    return part


def settled(pipe: Any) -> Any:
    """Ready to run: evaluating, silent."""
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def twin(pipe: Any) -> Any:
    """A second pipeline over the same weights. Its modules are its own: hooks, attention, compiled code and the storage
    that a lever changes do not reach the first."""
    made = type(pipe)(**settings_of(pipe), **{name: _copy(part) for name, part in pipe.components.items()})
    made.set_progress_bar_config(disable=True)
    return made


def settings_of(pipe: Any) -> dict[str, Any]:
    """What its class is made with besides components."""
    wanted = inspect.signature(type(pipe).__init__).parameters
    return {
        name: value for name, value in pipe.config.items() if name in wanted and name not in pipe.components
    }


def _copy(part: Any) -> Any:
    if not isinstance(part, torch.nn.Module):
        return copy.deepcopy(part)
    shared: dict[int, Any] = {
        id(parameter): torch.nn.Parameter(parameter.detach(), requires_grad=False)
        for parameter in part.parameters()
    }
    shared |= {id(buffer): buffer.detach() for buffer in part.buffers()}
    return copy.deepcopy(part, shared)


def storages(pipe: Any, parts: Iterable[Any] | None = None) -> dict[int, int]:
    """Bytes of the weights of its `parts`, all by default, by where they lie."""
    found: dict[int, int] = {}
    for part in pipe.components.values() if parts is None else parts:
        if isinstance(part, torch.nn.Module):
            for tensor in chain(part.parameters(), part.buffers()):
                for plain in _plain(tensor):
                    memory = plain.untyped_storage()
                    found[memory.data_ptr()] = memory.nbytes()
    return found


def _plain(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """The tensors of which one of torchao's kinds is put together, or itself."""
    if hasattr(tensor, "__tensor_flatten__"):
        names, _ = tensor.__tensor_flatten__()
        for name in names:
            yield from _plain(getattr(tensor, name))
    else:
        yield tensor


def byte_tokenizer(side: str = "right") -> Any:
    """Bytes for tokens: how long the encoder takes depends on their number alone."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {"<pad>": 0, "</s>": 1, "<unk>": 2, **{symbol: n for n, symbol in enumerate(alphabet, 3)}}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        padding_side=side,
        model_max_length=1024,
    )
