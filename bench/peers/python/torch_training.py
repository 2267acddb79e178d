"""A training step of the built-in policy's model in PyTorch, asked over standard streams by policy-vs-torch.mjs.

Requests, one JSON object a line: {"command": "load", checkpoint, batch, threads, lr} and
{"command": "run", variant, steps}; each is answered by one line.
"""
import json
import struct
import sys
import time

import torch
import torch.nn.functional as F


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    config = json.loads(header.pop("__metadata__")["lapidary_config"])
    weights = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        flat = torch.frombuffer(bytearray(data[start:end]), dtype=torch.float32)
        weights[name] = flat.reshape(entry["shape"]).clone()
    return config, weights


class Model:
    """Equal sequences as a [B, T] batch, so that PyTorch needs no packing; weights fused where a user would."""

    def __init__(self, config, weights, length):
        self.config, self.layers = config, []
        parameter = lambda *names: torch.cat([weights[name + ".weight"] for name in names]).requires_grad_(True)
        self.embedding = parameter("model.embed_tokens")
        for layer in range(config["layers"]):
            at = f"model.layers.{layer}."
            qkv = parameter(*(f"{at}self_attn.{name}_proj" for name in "qkv"))
            gate_up = parameter(f"{at}mlp.gate_proj", f"{at}mlp.up_proj")
            rest = [parameter(at + name) for name in ("self_attn.o_proj", "mlp.down_proj")]
            gains = [parameter(at + name) for name in ("input_layernorm", "post_attention_layernorm")]
            self.layers.append((qkv, gate_up, *rest, *gains))
        self.norm = parameter("model.norm")
        self.head = self.embedding if config["tiedHead"] else parameter("lm_head")
        size = config["width"] // config["heads"]
        frequencies = config["ropeTheta"] ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
        angles = torch.arange(length, dtype=torch.float64)[:, None] * frequencies
        self.cos = torch.cat([angles.cos()] * 2, -1).float()
        self.sin = torch.cat([angles.sin()] * 2, -1).float()

    def parameters(self):
        head = [] if self.head is self.embedding else [self.head]
        return [self.embedding, *(w for layer in self.layers for w in layer), self.norm, *head]

    def rotate(self, x):
        low, high = x.chunk(2, -1)
        return x * self.cos + torch.cat([-high, low], -1) * self.sin

    def loss(self, tokens):
        batch, length = tokens.shape
        width, heads, epsilon = (self.config[name] for name in ("width", "heads", "normEpsilon"))
        norm = lambda x, gain: F.rms_norm(x, (width,), gain, epsilon)
        x = F.embedding(tokens, self.embedding)
        for qkv, gate_up, o, down, gain1, gain2 in self.layers:
            q, k, v = F.linear(norm(x, gain1), qkv).view(batch, length, 3, heads, -1).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(self.rotate(q), self.rotate(k), v, is_causal=True)
            x = x + F.linear(mixed.transpose(1, 2).reshape(batch, length, width), o)
            gate, up = F.linear(norm(x, gain2), gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, down)
        logits = F.linear(norm(x, self.norm)[:, :-1], self.head)
        return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


class Trainer:
    def __init__(self, checkpoint, batch, threads, lr):
        torch.set_num_threads(threads)
        self.tokens = torch.tensor(batch)
        config, weights = read_safetensors(checkpoint)
        # A model for each variant: a step changes the weights.
        self.variants = {}
        for name in ("eager", "compiled"):
            model = Model(config, weights, self.tokens.shape[1])
            optimizer = torch.optim.AdamW(
                model.parameters(), lr=lr, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.0, fused=True
            )
            loss = torch.compile(model.loss) if name == "compiled" else model.loss
            self.variants[name] = (model, optimizer, loss)

    def step(self, variant):
        model, optimizer, loss_of = self.variants[variant]
        optimizer.zero_grad()
        loss = loss_of(self.tokens)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item(), norm.item()

    def run(self, variant, steps):
        start = time.perf_counter()
        for _ in range(steps):
            loss, norm = self.step(variant)
        return {"seconds": (time.perf_counter() - start) / steps, "loss": loss, "norm": norm}


def main():
    trainer = None
    for line in sys.stdin:
        request = json.loads(line)
        command = request.pop("command")
        try:
            if command == "load":
                trainer = Trainer(**request)
                answer = {"version": torch.__version__}
            else:
                answer = trainer.run(**request)
        except Exception as error:  # a variant that fails is reported, and the others go on
            answer = {"error": f"{type(error).__name__}: {str(error).splitlines()[0][:300]}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
