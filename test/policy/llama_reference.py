"""PyTorch's answer to the built-in policy: the same Llama-shaped model, its log-probs and gradients in float64.

usage: llama_reference.py CHECKPOINT BATCH.json OUT.json
CHECKPOINT: a file of savePolicy, or a folder with transformers' config.json and model.safetensors
BATCH.json: {"tokens": [...], "cu_seqlens": [...], "dlogp": [...]}; OUT.json: {"logp": [...], "gradients": {name: [...]}}
"""
import json
import os
import struct
import sys

import torch


TYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        flat = torch.frombuffer(bytearray(data[start:end]), dtype=TYPES[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"]).to(torch.float64).requires_grad_(True)
    return metadata, tensors


def read_checkpoint(path):
    if not os.path.isdir(path):
        metadata, tensors = read_safetensors(path)
        return json.loads(metadata["lapidary_config"]), tensors
    with open(os.path.join(path, "config.json")) as file:
        given = json.load(file)
    _, tensors = read_safetensors(os.path.join(path, "model.safetensors"))
    names = {"layers": "num_hidden_layers", "heads": "num_attention_heads", "ropeTheta": "rope_theta"}
    names |= {"normEpsilon": "rms_norm_eps", "tiedHead": "tie_word_embeddings"}
    return {ours: given[theirs] for ours, theirs in names.items()}, tensors


def rms_norm(x, gain, epsilon):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * gain


def rotate(x, theta):
    """Llama's rotary embedding, [T, heads, size]: the halves of each head are the pairs."""
    size = x.shape[-1]
    frequencies = theta ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angles = torch.arange(x.shape[0], dtype=torch.float64)[:, None] * frequencies[None, :]
    cos = torch.cat([angles.cos(), angles.cos()], -1)[:, None, :]
    sin = torch.cat([angles.sin(), angles.sin()], -1)[:, None, :]
    half = size // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def attention(x, weights, prefix, config):
    heads = config["heads"]
    q, k, v = (
        (x @ weights[f"{prefix}.self_attn.{name}_proj.weight"].T).reshape(x.shape[0], heads, -1) for name in "qkv"
    )
    q, k = rotate(q, config["ropeTheta"]), rotate(k, config["ropeTheta"])
    scores = torch.einsum("ihd,jhd->hij", q, k) / q.shape[-1] ** 0.5
    future = torch.triu(torch.ones(x.shape[0], x.shape[0], dtype=torch.bool), 1)
    mixed = torch.einsum("hij,jhd->ihd", scores.masked_fill(future, -torch.inf).softmax(-1), v)
    return mixed.reshape(x.shape[0], -1) @ weights[f"{prefix}.self_attn.o_proj.weight"].T


def mlp(x, weights, prefix):
    gate = torch.nn.functional.silu(x @ weights[f"{prefix}.mlp.gate_proj.weight"].T)
    return (gate * (x @ weights[f"{prefix}.mlp.up_proj.weight"].T)) @ weights[f"{prefix}.mlp.down_proj.weight"].T


def sequence_logp(ids, weights, config):
    x = weights["model.embed_tokens.weight"][ids]
    for layer in range(config["layers"]):
        prefix = f"model.layers.{layer}"
        norm = lambda name, x: rms_norm(x, weights[f"{prefix}.{name}.weight"], config["normEpsilon"])
        x = x + attention(norm("input_layernorm", x), weights, prefix, config)
        x = x + mlp(norm("post_attention_layernorm", x), weights, prefix)
    x = rms_norm(x, weights["model.norm.weight"], config["normEpsilon"])
    head = "model.embed_tokens.weight" if config["tiedHead"] else "lm_head.weight"
    logits = x[:-1] @ weights[head].T
    logp = logits.log_softmax(-1).gather(-1, ids[1:, None])[:, 0]
    return torch.cat([torch.zeros(1, dtype=torch.float64), logp])


def main(checkpoint, batch_path, out_path):
    config, weights = read_checkpoint(checkpoint)
    with open(batch_path) as file:
        batch = json.load(file)
    tokens = torch.tensor(batch["tokens"])
    bounds = zip(batch["cu_seqlens"], batch["cu_seqlens"][1:])
    logp = torch.cat([sequence_logp(tokens[start:end], weights, config) for start, end in bounds if end > start])
    (logp * torch.tensor(batch["dlogp"], dtype=torch.float64)).sum().backward()
    gradients = {name: weight.grad.flatten().tolist() for name, weight in weights.items()}
    with open(out_path, "w") as file:
        json.dump({"logp": logp.tolist(), "gradients": gradients}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
