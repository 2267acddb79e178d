"""The structs and enums of native/include/lapidary/*.h as ctypes has them. layout.py holds them to the C compiler."""

import ctypes
from ctypes import c_char, c_double, c_float, c_int32, c_int64, c_size_t, c_void_p

OK, INVALID_ARGUMENT, OUT_OF_MEMORY, CANCELLED, WRONG_STATE, DEVICE_ERROR = range(6)
F32, BF16, F16 = range(3)
NONE, OLD, BEHAVIOUR, REF = range(4)  # lap_anchor
FORWARD_KL, REVERSE_KL, JSD = range(3)

# What the checks read of lap_diagnostic.
DIAGNOSTICS = {
    **{"LOSS": 0, "POLICY_LOSS": 1, "SEQUENCE_LOSS": 2, "TOKENS": 3, "SEQUENCES": 4, "CLIPPED": 5},
    **{"CONSTRAINT_REVERSED": 7, "S_SUM": 14, "S_SQUARES": 15, "S_MAX_ABS": 16, "GRAD_ABS_MAX": 17},
    **{"KL_LOSS": 18, "RATIO_MAX": 24, "PAIRS": 40, "NON_FINITE": 44, "COUNT": 45},
}
# Those that are counts, which must be equal to the last one.
COUNTS = [3, 4, 5, 6, 7, 8, 10, 12, 19, 20, 21, 22, 32, 36, 40, 43, 44]


class Struct(ctypes.Structure):
    """Zeros but for struct_size, which the library checks, and what is given."""

    def __init__(self, **fields):
        super().__init__()
        if any(name == "struct_size" for name, _ in self._fields_):
            self.struct_size = ctypes.sizeof(self)
        for name, value in fields.items():
            if not hasattr(self, name):
                raise AttributeError(f"{type(self).__name__} has no field {name}")
            setattr(self, name, value)


class Device(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char * 256),
        ("major", c_int32),
        ("minor", c_int32),
        ("multiprocessors", c_int32),
        ("memory_bytes", c_int64),
    ]


class ContextOptions(Struct):
    _fields_ = [("struct_size", c_size_t), ("threads", c_int32), ("implementation", ctypes.c_char_p)]


class LogitTransform(Struct):
    _fields_ = [("temperature", c_float), ("temperatures", c_void_p), ("softcap", c_float)]


_TOKENS = [
    ("struct_size", c_size_t),
    ("logits", c_void_p),
    ("dtype", c_int32),
    ("rows", c_int64),
    ("vocab", c_int64),
    ("row_stride", c_int64),
    ("targets", c_void_p),
    ("ignore_index", c_int32),
    ("transform", LogitTransform),
]


class TokenLogprobs(Struct):
    _fields_ = _TOKENS + [("logp", c_void_p), ("lse", c_void_p), ("entropy", c_void_p), ("top1", c_void_p)]


class TokenLogprobsBackward(Struct):
    _fields_ = _TOKENS + [
        ("logp", c_void_p),
        ("lse", c_void_p),
        ("dlogp", c_void_p),
        ("dlogits", c_void_p),
        ("dlogits_stride", c_int64),
        ("entropy", c_void_p),
        ("dentropy", c_void_p),
    ]


class TokenLogprobsWithGradient(Struct):
    _fields_ = _TOKENS + [
        ("row_weights", c_void_p),
        ("logp", c_void_p),
        ("lse", c_void_p),
        ("entropy", c_void_p),
        ("dlogits", c_void_p),
        ("dlogits_stride", c_int64),
        ("workspace", c_void_p),
        ("workspace_bytes", c_size_t),
    ]


class VocabStats(Struct):
    _fields_ = [(name, c_double) for name in ("max", "sum", "weighted", "target", "held")]


_SHARD = [*_TOKENS[:6], ("begin", c_int64), *_TOKENS[6:8]]


class VocabShardStats(Struct):
    _fields_ = [*_SHARD, ("want_entropy", c_int32), ("transform", LogitTransform), ("stats", c_void_p)]


class VocabShardMerge(Struct):
    _fields_ = [
        *(("struct_size", c_size_t), ("shards", c_int64), ("rows", c_int64)),
        *((name, c_void_p) for name in ("stats", "logp", "lse", "lse_low", "entropy")),
    ]


class VocabShardBackward(Struct):
    _fields_ = [
        *(*_SHARD, ("transform", LogitTransform)),
        *((name, c_void_p) for name in ("logp", "lse", "lse_low", "dlogp", "dlogits")),
        *(("dlogits_stride", c_int64), ("entropy", c_void_p), ("dentropy", c_void_p)),
    ]


_DIVERGENCE = [
    ("struct_size", c_size_t),
    ("kind", c_int32),
    ("beta", c_float),
    ("rows", c_int64),
    ("vocab", c_int64),
    ("student", c_void_p),
    ("student_dtype", c_int32),
    ("student_stride", c_int64),
    ("student_transform", LogitTransform),
    ("teacher", c_void_p),
    ("teacher_dtype", c_int32),
    ("teacher_stride", c_int64),
    ("teacher_transform", LogitTransform),
    ("mask", c_void_p),
    ("value", c_void_p),
]


class Divergence(Struct):
    _fields_ = _DIVERGENCE


class DivergenceWithGradient(Struct):
    _fields_ = _DIVERGENCE + [("row_weights", c_void_p), ("dstudent", c_void_p), ("dstudent_stride", c_int64)]


_LINEAR = [
    ("struct_size", c_size_t),
    ("hidden", c_void_p),
    ("weight", c_void_p),
    ("dtype", c_int32),
    ("rows", c_int64),
    ("vocab", c_int64),
    ("width", c_int64),
    ("hidden_stride", c_int64),
    ("weight_stride", c_int64),
    ("targets", c_void_p),
    ("ignore_index", c_int32),
    ("transform", LogitTransform),
    ("logp", c_void_p),
    ("lse", c_void_p),
]
_SCRATCH = [
    ("kept", c_void_p),
    ("kept_bytes", c_size_t),
    ("workspace", c_void_p),
    ("workspace_bytes", c_size_t),
]


class LinearLogprobs(Struct):
    _fields_ = _LINEAR + [("entropy", c_void_p), ("top1", c_void_p)] + _SCRATCH


class LinearLogprobsBackward(Struct):
    _fields_ = (
        _LINEAR
        + [("dlogp", c_void_p), ("dhidden", c_void_p), ("dweight", c_void_p), ("accumulate_dweight", c_int32)]
        + _SCRATCH
    )


class Objective(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        *((name, c_int32) for name in ("gate", "ratio_anchor", "ratio_level", "through_token")),
        *((name, c_float) for name in ("clip_low", "clip_high", "dual_clip", "ratio_cap")),
        ("positive", c_float * 2),
        ("negative", c_float * 2),
        *((name, c_float) for name in ("geometric_low", "geometric_high", "nft_floor", "nft_omega")),
        *((name, c_int32) for name in ("token_mask", "mask_anchor")),
        *((name, c_float) for name in ("mask_low", "mask_high", "sequence_mask")),
        *((name, c_int32) for name in ("importance", "importance_level", "importance_outside")),
        *((name, c_float) for name in ("importance_low", "importance_high")),
        *((name, c_int32) for name in ("kl", "kl_gradient", "kl_anchor", "kl_ratio_anchor")),
        *((name, c_float) for name in ("kl_coefficient", "kl_input_bound", "kl_output_bound")),
        *((name, c_int32) for name in ("sequence_term", "sequence_anchor", "sequence_mean")),
        *((name, c_float) for name in ("tau", "smoothing", "margin")),
        *((name, c_float) for name in ("kto_z0", "kto_desirable", "kto_undesirable")),
    ]


class SequenceStats(Struct):
    _fields_ = [(name, c_double) for name in ("kept", "log_ratio_sum", "ratio_sum", "importance_sum", "behaviour_sum")]


class PolicyLoss(Struct):
    _fields_ = [
        ("struct_size", c_size_t),
        ("objective", Objective),
        ("tokens", c_int64),
        ("sequences", c_int64),
        ("cu_seqlens", c_void_p),
        ("row_stride", c_int64),
        ("lengths", c_void_p),
        *((name, c_void_p) for name in ("logp", "old_logp", "behaviour_logp", "ref_logp", "advantages")),
        *((name, c_void_p) for name in ("token_advantages", "token_weights", "mask", "seq_scale")),
        ("nft_quality", c_void_p),
        ("pairs", c_void_p),
        ("pair_count", c_int64),
        *((name, c_void_p) for name in ("stats", "dlogp", "diagnostics", "workspace")),
        ("workspace_bytes", c_size_t),
    ]


# By their names in C.
STRUCTS = {
    "lap_cuda_device": Device,
    "lap_context_options": ContextOptions,
    "lap_logit_transform": LogitTransform,
    "lap_token_logprobs_args": TokenLogprobs,
    "lap_token_logprobs_backward_args": TokenLogprobsBackward,
    "lap_token_logprobs_with_gradient_args": TokenLogprobsWithGradient,
    "lap_vocab_stats": VocabStats,
    "lap_vocab_shard_stats_args": VocabShardStats,
    "lap_vocab_shard_merge_args": VocabShardMerge,
    "lap_vocab_shard_backward_args": VocabShardBackward,
    "lap_divergence_args": Divergence,
    "lap_divergence_with_gradient_args": DivergenceWithGradient,
    "lap_linear_logprobs_args": LinearLogprobs,
    "lap_linear_logprobs_backward_args": LinearLogprobsBackward,
    "lap_objective": Objective,
    "lap_sequence_stats": SequenceStats,
    "lap_policy_loss_args": PolicyLoss,
}
