"""The runs that make the shipped models, in the order they depend on each other."""

from dataclasses import replace

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

# 30 % of every layer's weights are zero.
PRUNED = replace(
    DENSE, name="pruned", seed=22, phases=((4, 224),), ema=0.99, teachers=(FIRST,), prune_amount=0.3, prune_layers="all"
)

# 80 % of the 1x1 convolutions' and the large linear layer's weights are zero; runs on sparse float kernels.
SPARSE = replace(
    PRUNED, name="sparse80", seed=23, phases=((6, 224),), learning_rate=8e-4, prune_amount=0.8, prune_layers="pointwise"
)

LATER = (DENSE, PRUNED, SPARSE)
