"""The runs that make the shipped models, in the order they depend on each other."""

from dataclasses import replace

from lite import SIDE
from train import Recipe

# The plain recipe's result, read from ../shared and balanced.
FIRST = "first"


def names(recipes: tuple[Recipe, ...]) -> tuple[str, ...]:
    return tuple(recipe.name for recipe in recipes)


# Main recipe, once per seed: the spread between them is reported, temperature and reject threshold are fitted on them, and the
# sparse network goes on from their mean.
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

# Larger networks that learn more from the same pictures. They teach and do not ship.
TEACHERS = tuple(
    Recipe(
        name=name,
        seed=seed,
        phases=((small, 128), (large, SIDE)),
        learning_rate=5e-4,
        head_learning_rate=1e-3,
        ema=0.99,
        lite=name,
    )
    for name, seed, small, large in (("lite0", 41, 5, 8), ("lite2", 42, 3, 6))
)

# Go on from the plain recipe's network, balanced, on all pictures, taught by the larger networks.
DENSE = tuple(
    Recipe(
        name=f"dense-{number}",
        seed=20 + number,
        phases=((14, 224),),
        learning_rate=3e-4,
        head_learning_rate=3e-4,
        ema=0.995,
        teachers=names(TEACHERS),
        start=(FIRST,),
        holds_out=False,
    )
    for number in (1, 2)
)

# The mean of their weights and of those they started from: pictures unlike the ones learnt from are better seen by a network that
# has not moved as far (Wortsman et al. 2022, arXiv:2109.01903).
MEAN = "dense"
MEAN_OF = (*names(DENSE), FIRST)

# Goes on from the mean of both seeds' weights, taught by them and by the plain recipe's network, which errs in other places.
FROM_SEEDS = replace(
    DENSE[0],
    name="from-seeds",
    phases=((20, 224),),
    teachers=(*names(MAIN), FIRST),
    start=names(MAIN),
)

# 80 % of the 1x1 convolutions' and the large linear layer's weights are zero; runs on sparse float kernels. It has more to learn
# anew, so it learns faster.
SPARSE_ONCE = replace(
    FROM_SEEDS,
    name="sparse80-once",
    seed=32,
    learning_rate=5e-4,
    head_learning_rate=5e-4,
    prune_amount=0.8,
    prune_layers="pointwise",
)

# The same again from there: what was zeroed too early may grow back (cyclical pruning, Srinivas et al. 2022, arXiv:2202.01290).
SPARSE_TWICE = replace(
    SPARSE_ONCE,
    name="sparse80-twice",
    seed=33,
    phases=((16, 224),),
    teachers=(FROM_SEEDS.name,),
    start=(SPARSE_ONCE.name,),
)

# And again, taught by all that is better. The linear layer has six tenths of these weights and hardly any of the work, so it gives
# more of them and the convolutions, which decide more, fewer.
SPARSE_THRICE = replace(
    SPARSE_TWICE,
    name="sparse80-thrice",
    seed=34,
    phases=((12, 224),),
    teachers=(MEAN, FROM_SEEDS.name, *names(TEACHERS)),
    start=(SPARSE_TWICE.name,),
    prune_convolutions=0.75,
)

# Two go on from there with the same zeros, which the mean of their weights then has too.
SPARSE = tuple(
    replace(
        SPARSE_THRICE,
        name=f"sparse80-{number}",
        seed=34 + number,
        phases=((14, 224),),
        learning_rate=3e-4,
        head_learning_rate=3e-4,
        start=(SPARSE_THRICE.name,),
        prune_ramp=0.0,
    )
    for number in (1, 2)
)

# Learns to live with 8 bits everywhere: weights and activations, stem and depthwise convolutions included. It shall become
# like the dense network again, so that alone is the target, on pictures hardly changed.
INT8 = Recipe(
    name="int8",
    seed=24,
    phases=((8, 224),),
    # Of each tensor's size.
    learning_rate=1e-3,
    head_learning_rate=1e-3,
    ema=0.99,
    teachers=(MEAN,),
    start=(MEAN,),
    holds_out=False,
    label_share=0.0,
    weight_decay=0.0,
    warmup_steps=50,
    light=True,
    int8=True,
)

SPARSE_MEAN = "sparse80"
# Networks that are the mean of others' weights, and of which.
MEANS = {MEAN: MEAN_OF, SPARSE_MEAN: names(SPARSE)}

# One after the other.
FLOAT_STAGES = (MAIN, TEACHERS, DENSE)
STAGES = (*FLOAT_STAGES, (FROM_SEEDS, SPARSE_ONCE), (SPARSE_TWICE, INT8), (SPARSE_THRICE,), SPARSE)
