"""The runs that make the shipped models, in the order they depend on each other."""

from train import Recipe

# The plain recipe's result, read from ../shared.
FIRST = "first"

# Main recipe, once per seed: the spread between them is reported, both teach the runs that follow.
MAIN = tuple(
    Recipe(
        name=f"seed-{seed}",
        seed=seed,
        phases=((8, 160), (16, 224)),
        learning_rate=1e-3,
        head_learning_rate=2e-3,
        ema=0.998,
        teachers=(FIRST,),
    )
    for seed in (1, 2)
)

# Goes on from the plain recipe's result, on harder pictures, taught by it and by a run that started elsewhere.
DENSE = Recipe(
    name="dense",
    seed=21,
    phases=((7, 224),),
    learning_rate=3e-4,
    head_learning_rate=3e-4,
    ema=0.995,
    teachers=(FIRST, MAIN[0].name),
    start=FIRST,
)

# Shipped: the mean of these runs' weights.
AVERAGE = "average"
AVERAGED = (FIRST, DENSE.name)

# 80 % of the 1x1 convolutions' and the large linear layer's weights are zero; runs on sparse float kernels.
SPARSE = Recipe(
    name="sparse80",
    seed=32,
    phases=((16, 128), (12, 160), (8, 224)),
    learning_rate=8e-4,
    head_learning_rate=8e-4,
    ema=0.998,
    teachers=(AVERAGE,),
    start=AVERAGE,
    holds_out=False,
    prune_amount=0.8,
    prune_layers="pointwise",
)

# Learns to live with 8 bits everywhere: weights and activations, stem and depthwise convolutions included. It shall become
# like the average again, so the teacher alone is the target, on pictures hardly changed.
INT8 = Recipe(
    name="int8",
    seed=24,
    phases=((2, 224),),
    learning_rate=1e-4,
    head_learning_rate=1e-4,
    ema=0.99,
    teachers=(AVERAGE,),
    start=AVERAGE,
    holds_out=False,
    label_share=0.0,
    weight_decay=0.0,
    warmup_steps=50,
    light=True,
    int8=True,
)

# One after the other.
STAGES = (MAIN, (DENSE,), (SPARSE, INT8))
