"""The runs that make the shipped models, in the order they depend on each other."""

from train import Recipe

# The plain recipe's result, read from ../shared.
FIRST = "first"

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

BOTH = tuple(recipe.name for recipe in MAIN)

# Goes on from the mean of both runs' weights, on all pictures, towards what they and the plain recipe's network, which errs
# in other places, say together.
DENSE = Recipe(
    name="dense",
    seed=21,
    phases=((12, 224),),
    learning_rate=3e-4,
    head_learning_rate=3e-4,
    ema=0.995,
    teachers=(*BOTH, FIRST),
    start=BOTH,
    holds_out=False,
)

# 80 % of the 1x1 convolutions' and the large linear layer's weights are zero; runs on sparse float kernels.
SPARSE = Recipe(
    name="sparse80",
    seed=32,
    phases=((10, 128), (8, 160), (8, 224)),
    learning_rate=5e-4,
    head_learning_rate=5e-4,
    ema=0.998,
    teachers=(DENSE.name,),
    start=(DENSE.name,),
    holds_out=False,
    prune_amount=0.8,
    prune_layers="pointwise",
)

# Learns to live with 8 bits everywhere: weights and activations, stem and depthwise convolutions included. It shall become
# like the dense network again, so the teacher alone is the target, on pictures hardly changed.
INT8 = Recipe(
    name="int8",
    seed=24,
    phases=((2, 224),),
    learning_rate=1e-4,
    head_learning_rate=1e-4,
    ema=0.99,
    teachers=(DENSE.name,),
    start=(DENSE.name,),
    holds_out=False,
    label_share=0.0,
    weight_decay=0.0,
    warmup_steps=50,
    light=True,
    int8=True,
)

# One after the other.
STAGES = (MAIN, (DENSE,), (SPARSE, INT8))
