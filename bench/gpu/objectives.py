"""Objectives as the fields of lap_objective: the published ones and what covers each option. The numbers are those of
native/include/lapidary/policy_loss.h."""

from lapidary_structs import BEHAVIOUR, OLD, REF

UNIT, CLIP, RATIO, LOG_RATIO, CLIP_WEIGHT, SAPO, GAMMA, NO_GATE, NFT = range(9)
TOKEN, SEQUENCE_SUM, SEQUENCE_MEAN, GEOMETRIC = range(4)
CUT, DROP, DROP_OWN = range(3)
SQUARE, LOGISTIC_PAIR, SQUARE_PAIR, HINGE_PAIR, KTO, NPO, SPPO = range(1, 8)
PAIRS = (LOGISTIC_PAIR, SQUARE_PAIR, HINGE_PAIR)

PPO = {"gate": CLIP, "ratio_anchor": OLD, "clip_low": 0.2, "clip_high": 0.28}
BCPG = {"sequence_term": SQUARE, "sequence_anchor": REF, "tau": 1e-3}


def two(a, b):
    """A pair of floats, as ctypes takes it for an array field."""
    import ctypes

    return (ctypes.c_float * 2)(a, b)


def preference(term, **more):
    return {"gate": NO_GATE, "sequence_term": term, "sequence_anchor": REF, "tau": 0.1, **more}


OBJECTIVES = {
    "reinforce": {},
    "bcpg-nsa": BCPG,
    "bcpg, strong": {**BCPG, "tau": 0.5},
    "bcpg of the mean": {**BCPG, "tau": 0.5, "sequence_mean": 1},
    "ppo": PPO,
    "ppo, dual clip and cap": {**PPO, "dual_clip": 1.5, "ratio_cap": 1.3},
    "grpo with bcpg": {**PPO, **BCPG},
    "ratio": {"gate": RATIO, "ratio_anchor": BEHAVIOUR},
    "log-ratio": {"gate": LOG_RATIO, "ratio_anchor": OLD, "ratio_level": SEQUENCE_SUM},
    "gspo": {**PPO, "ratio_level": SEQUENCE_MEAN, "clip_low": 3e-4, "clip_high": 4e-4},
    "gspo-token": {**PPO, "ratio_level": SEQUENCE_MEAN, "through_token": 1},
    "gmpo": {
        **{"gate": RATIO, "ratio_anchor": OLD, "ratio_level": GEOMETRIC},
        **{"geometric_low": 0.4, "geometric_high": 0.3},
    },
    "cispo": {"gate": CLIP_WEIGHT, "ratio_anchor": OLD, "positive": two(0, 1.2), "negative": two(0.8, 1.2)},
    "topr": {
        **{"gate": CLIP_WEIGHT, "ratio_anchor": BEHAVIOUR, "ratio_level": SEQUENCE_SUM},
        **{"positive": two(1, 1), "negative": two(0, 1)},
    },
    "sapo": {"gate": SAPO, "ratio_anchor": OLD, "positive": two(1, 0), "negative": two(1.05, 0)},
    "gamma": {"gate": GAMMA, "ratio_anchor": OLD, "positive": two(2, 3), "negative": two(3, 2)},
    "nft": {"gate": NFT, "ratio_anchor": OLD, "nft_floor": 0.2, "nft_omega": 0.7},
    "dpo": preference(LOGISTIC_PAIR, smoothing=0.1, margin=0.2),
    "ipo": preference(SQUARE_PAIR, sequence_mean=1),
    "slic": preference(HINGE_PAIR),
    "kto": preference(KTO, kto_z0=0.2, kto_desirable=1.3, kto_undesirable=0.6),
    "npo": preference(NPO),
    "sppo": preference(SPPO),
    "sequences masked": {**PPO, "sequence_mask": 0.01},
    **{
        f"mask {kind}": {**PPO, "token_mask": kind, "mask_anchor": OLD, "mask_low": low, "mask_high": high}
        for kind, (low, high) in {1: (0.8, 1.2), 2: (0.8, 1.2), 3: (0.05, 0.05), 4: (0.01, 0.01)}.items()
    },
    **{
        f"importance, level {level}, outside {outside}": {
            **PPO,
            **{"importance": 1 + outside % 2, "importance_level": level, "importance_outside": outside},
            **{"importance_low": 0.7, "importance_high": 1.4},
        }
        for level in (TOKEN, SEQUENCE_SUM, SEQUENCE_MEAN)
        for outside in (CUT, DROP, DROP_OWN)
    },
    **{
        f"k{kind}, gradient {gradient}": {
            **{"kl": kind, "kl_gradient": gradient, "kl_anchor": REF, "kl_ratio_anchor": OLD},
            **{"kl_coefficient": 0.3, "kl_input_bound": 0.4 if gradient == 0 else 0.0},
        }
        for kind in range(1, 6)
        for gradient in range(5)
    },
}
