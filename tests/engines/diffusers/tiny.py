"""Tiny pipelines with random weights, saved as a checkpoint would be: a few hundred kilobytes of every family.

They are built from the configuration classes of diffusers and transformers, so their code paths are those of the real
models; only what they show is noise.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    AutoencoderKLHunyuanVideo,
    AutoencoderKLHunyuanVideo15,
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    AutoencoderKLWan,
    ClassifierFreeGuidance,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideo15Pipeline,
    HunyuanVideo15Transformer3DModel,
    Kandinsky6TI2VAPipeline,
    Kandinsky6Transformer3DModel,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
    MMAudioVAE,
    MMAudioVocoder,
    PiflowScheduler,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
)
from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLTextConfig,
    Qwen2_5_VLTextModel,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

VOCABULARY = 260
WIDTH = 32


def byte_tokenizer(max_length: int = 512, side: str = "right") -> PreTrainedTokenizerFast:
    """256 bytes and four specials; every text ends with `</s>`."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<pad>": 0, "</s>": 1, "<unk>": 2, "<s>": 3}
    vocabulary |= {symbol: number for number, symbol in enumerate(alphabet, len(vocabulary))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        bos_token="<s>",
        model_max_length=max_length,
        padding_side=side,
    )


def wan_vae(seed: int = 0, *, residual: bool = False) -> AutoencoderKLWan:
    """`residual` is the one of TI2V-5B: 16 pixels a side, patches of two, 12 channels in and out."""
    torch.manual_seed(seed)
    if not residual:
        return AutoencoderKLWan(
            base_dim=4,
            z_dim=16,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
        )
    return AutoencoderKLWan(
        base_dim=4,
        decoder_base_dim=4,
        z_dim=8,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 8,
        latents_std=[1.0] * 8,
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        scale_factor_spatial=16,
    )


def wan_transformer(seed: int, channels: int = 16, out: int | None = None) -> WanTransformer3DModel:
    torch.manual_seed(seed)
    return WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=channels,
        out_channels=out or channels,
        text_dim=WIDTH,
        freq_dim=32,
        ffn_dim=32,
        num_layers=2,
        cross_attn_norm=True,
        rope_max_seq_len=128,
    )


def umt5(seed: int = 0) -> UMT5EncoderModel:
    torch.manual_seed(seed)
    return UMT5EncoderModel(
        UMT5Config(vocab_size=VOCABULARY, d_model=WIDTH, d_kv=8, d_ff=32, num_layers=2, num_heads=4)
    )


def uni_pc() -> UniPCMultistepScheduler:
    return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)


def wan21() -> WanPipeline:
    return WanPipeline(
        tokenizer=byte_tokenizer(),
        text_encoder=umt5(),
        vae=wan_vae(),
        scheduler=uni_pc(),
        transformer=wan_transformer(1),
    )


def wan22_text() -> WanPipeline:
    return WanPipeline(
        tokenizer=byte_tokenizer(),
        text_encoder=umt5(),
        vae=wan_vae(),
        scheduler=uni_pc(),
        transformer=wan_transformer(1),
        transformer_2=wan_transformer(2),
        boundary_ratio=0.875,
    )


def wan22_image() -> WanImageToVideoPipeline:
    return WanImageToVideoPipeline(
        tokenizer=byte_tokenizer(),
        text_encoder=umt5(),
        vae=wan_vae(),
        scheduler=uni_pc(),
        transformer=wan_transformer(3, 36, 16),
        transformer_2=wan_transformer(4, 36, 16),
        boundary_ratio=0.9,
    )


def ti2v() -> WanPipeline:
    return WanPipeline(
        tokenizer=byte_tokenizer(),
        text_encoder=umt5(),
        vae=wan_vae(residual=True),
        scheduler=uni_pc(),
        transformer=wan_transformer(5, 8),
        expand_timesteps=True,
    )


def cogvideox() -> CogVideoXPipeline:
    torch.manual_seed(6)
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        out_channels=4,
        time_embed_dim=8,
        text_embed_dim=WIDTH,
        num_layers=2,
        sample_width=12,
        sample_height=8,
        sample_frames=9,
        patch_size=2,
        temporal_compression_ratio=4,
        max_text_seq_length=64,
        use_rotary_positional_embeddings=True,
    )
    vae = AutoencoderKLCogVideoX(
        in_channels=3,
        out_channels=3,
        down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        latent_channels=4,
        layers_per_block=1,
        norm_num_groups=2,
        temporal_compression_ratio=4,
    )
    encoder = T5EncoderModel(
        T5Config(vocab_size=VOCABULARY, d_model=WIDTH, d_kv=8, d_ff=32, num_layers=2, num_heads=4)
    )
    return CogVideoXPipeline(
        tokenizer=byte_tokenizer(64),
        text_encoder=encoder,
        vae=vae,
        transformer=transformer,
        scheduler=CogVideoXDDIMScheduler(),
    )


def ltx2() -> LTX2Pipeline:
    """With the real one's compression: 32 pixels a side, 8 frames, 100 mel frames a second, sound at 24 kHz."""
    torch.manual_seed(7)
    text = {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "max_position_embeddings": 1024,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 3,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    encoder = Gemma3ForConditionalGeneration(
        Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=2)
    )
    vae = AutoencoderKLLTX2Video(
        latent_channels=8,
        block_out_channels=(8, 16, 32, 32),
        decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )
    mel_bins, latent_channels = 16, 4
    audio_vae = AutoencoderKLLTX2Audio(
        base_channels=latent_channels * mel_bins // 4,
        ch_mult=(1, 1, 1),
        num_res_blocks=1,
        resolution=32,
        latent_channels=latent_channels,
        mel_bins=mel_bins,
    )
    transformer = LTX2VideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=16,
        cross_attention_dim=32,
        audio_in_channels=latent_channels * mel_bins // 4,
        audio_out_channels=latent_channels * mel_bins // 4,
        audio_num_attention_heads=2,
        audio_attention_head_dim=8,
        audio_cross_attention_dim=16,
        num_layers=2,
        caption_channels=WIDTH,
        rope_double_precision=False,
        rope_type="split",
    )
    connectors = LTX2TextConnectors(
        caption_channels=WIDTH,
        text_proj_in_factor=3,
        video_connector_num_attention_heads=2,
        video_connector_attention_head_dim=16,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=None,
        audio_connector_num_attention_heads=2,
        audio_connector_attention_head_dim=16,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None,
        connector_rope_base_seq_len=64,
        rope_double_precision=False,
        rope_type="split",
    )
    vocoder = LTX2Vocoder(
        in_channels=2 * mel_bins,
        hidden_channels=32,
        upsample_kernel_sizes=[16, 15, 8, 4],
        upsample_factors=[6, 5, 4, 2],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3]],
    )
    return LTX2Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, base_shift=0.95, max_shift=2.05),
        vae=vae,
        audio_vae=audio_vae,
        text_encoder=encoder,
        tokenizer=byte_tokenizer(1024, "left"),
        connectors=connectors,
        transformer=transformer,
        vocoder=vocoder,
    )


def qwen(layers: int = 3) -> dict[str, Any]:
    """A text model of Qwen2.5-VL, as its configuration."""
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 3, 3]},
        "bos_token_id": 3,
        "eos_token_id": 1,
        "pad_token_id": 0,
    }


CHAT = "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + ' ' }}{% endfor %}"


def hunyuan15() -> HunyuanVideo15Pipeline:
    """Two encoders, the second for letters in the picture, and a guider in place of a scale."""
    torch.manual_seed(8)
    tokenizer = byte_tokenizer(2048)
    tokenizer.chat_template = CHAT
    return HunyuanVideo15Pipeline(
        text_encoder=Qwen2_5_VLTextModel(Qwen2_5_VLTextConfig(**qwen())),
        tokenizer=tokenizer,
        transformer=HunyuanVideo15Transformer3DModel(
            in_channels=17,
            out_channels=8,
            num_attention_heads=2,
            attention_head_dim=16,
            num_layers=2,
            num_refiner_layers=1,
            text_embed_dim=WIDTH,
            text_embed_2_dim=WIDTH,
            image_embed_dim=16,
            rope_axes_dim=(4, 6, 6),
        ),
        vae=AutoencoderKLHunyuanVideo15(
            latent_channels=8, block_out_channels=(16, 16, 32, 32, 32), layers_per_block=1
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=5.0),
        text_encoder_2=T5EncoderModel(
            T5Config(vocab_size=VOCABULARY, d_model=WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=4)
        ),
        tokenizer_2=byte_tokenizer(256),
        guider=ClassifierFreeGuidance(guidance_scale=6.0),
    )


def kandinsky6() -> Kandinsky6TI2VAPipeline:
    """Distilled, with sound. Its tokenizer is a plain one: the real one's processor wants torchvision."""
    torch.manual_seed(9)
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": WIDTH,
    }
    clip = {"vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    return Kandinsky6TI2VAPipeline(
        transformer=Kandinsky6Transformer3DModel(
            in_visual_dim=4,
            out_visual_dim=4 * 10,  # one per point of the scheduler's grid
            in_text_dim=WIDTH,
            in_text_dim2=16,
            time_dim=16,
            model_dim=32,
            ff_dim=32,
            num_text_blocks=1,
            num_visual_blocks=2,
            axes_dims=(4, 6, 6),
            in_audio_dim=4,
            out_audio_dim=4 * 10,
            text_token_padding=True,
            ca_rope=True,
            cross_gates=True,
            fix_modulation=True,
            visual_token_type_num_embeddings=2,
        ),
        vae=AutoencoderKLHunyuanVideo(
            latent_channels=4, block_out_channels=(4, 4, 4, 4), layers_per_block=1, norm_num_groups=2
        ),
        text_encoder=Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(text_config=qwen(), vision_config=vision)
        ),
        tokenizer=byte_tokenizer(2048),
        text_encoder_2=CLIPTextModel(
            CLIPTextConfig(**clip, num_attention_heads=2, max_position_embeddings=77, eos_token_id=1)
        ),
        tokenizer_2=byte_tokenizer(77),
        scheduler=PiflowScheduler(num_policy_substeps=8),
        audio_vae=MMAudioVAE(mel_bins=16, latent_channels=4, hidden_channels=16, layers_per_block=1),
        vocoder=MMAudioVocoder(
            num_mels=16,
            upsample_initial_channel=64,
            resblock_kernel_sizes=(3,),
            resblock_dilation_sizes=((1, 3),),
        ),
    )


BUILDERS: dict[str, Any] = {
    "wan21": wan21,
    "wan22-text": wan22_text,
    "wan22-image": wan22_image,
    "ti2v": ti2v,
    "cogvideox": cogvideox,
    "ltx2": ltx2,
    "hunyuan15": hunyuan15,
    "kandinsky6": kandinsky6,
}


def save(name: str, folder: Path) -> Path:
    """The pipeline called `name` as a checkpoint in `folder`."""
    pipe = BUILDERS[name]()
    for component in pipe.components.values():
        if isinstance(component, torch.nn.Module):
            component.eval()
    pipe.save_pretrained(folder, safe_serialization=True)
    return folder
