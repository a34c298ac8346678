"""The runs that make the shipped models, in the order they depend on each other."""

from dataclasses import replace

from train import Recipe

# The plain recipe's result, read from ../shared.
FIRST = "first"


def names(recipes: tuple[Recipe, ...]) -> tuple[str, ...]:
    return tuple(recipe.name for recipe in recipes)


# Main recipe, once per seed: the spread between them is reported, and they teach what ships.
MAIN = tuple(
    Recipe(
        name=f"seed-{seed}",
        seed=seed,
        phases=((14, 128), (10, 160), (12, 224)),
        learning_rate=5e-4,
        head_learning_rate=5e-4,
        ema=0.998,
    )
    for seed in (1, 2)
)

# Go on from the mean of both runs' weights, on all pictures, taught by them and by the plain recipe's network, which errs in
# other places. The mean of their weights errs less than either.
DENSE = tuple(
    Recipe(
        name=f"dense-{number}",
        seed=20 + number,
        phases=((epochs, 224),),
        learning_rate=3e-4,
        head_learning_rate=3e-4,
        ema=0.995,
        teachers=(*names(MAIN), FIRST),
        start=names(MAIN),
        holds_out=False,
    )
    for number, epochs in ((1, 20), (2, 16))
)

# Name of the mean of their weights.
MEAN = "dense"

# 80 % of the 1x1 convolutions' and the large linear layer's weights are zero; runs on sparse float kernels. It has more to learn
# anew than dense, so it learns faster.
SPARSE_ONCE = replace(
    DENSE[0],
    name="sparse80-once",
    seed=32,
    learning_rate=5e-4,
    head_learning_rate=5e-4,
    prune_amount=0.8,
    prune_layers="pointwise",
)

# The same again from there: what was zeroed too early may grow back (cyclical pruning, Srinivas et al. 2022, arXiv:2202.01290).
SPARSE = replace(
    SPARSE_ONCE,
    name="sparse80",
    seed=33,
    phases=((16, 224),),
    teachers=(DENSE[0].name,),
    start=(SPARSE_ONCE.name,),
)

# Learns to live with 8 bits everywhere: weights and activations, stem and depthwise convolutions included. It shall become
# like the dense network again, so the teachers alone are the target, on pictures hardly changed.
INT8 = Recipe(
    name="int8",
    seed=24,
    phases=((2, 224),),
    # Of each tensor's size.
    learning_rate=1e-3,
    head_learning_rate=1e-3,
    ema=0.99,
    teachers=names(DENSE),
    start=names(DENSE),
    holds_out=False,
    label_share=0.0,
    weight_decay=0.0,
    warmup_steps=50,
    light=True,
    int8=True,
)

# One after the other.
STAGES = (MAIN, (DENSE[0], SPARSE_ONCE), (DENSE[1], SPARSE), (INT8,))
