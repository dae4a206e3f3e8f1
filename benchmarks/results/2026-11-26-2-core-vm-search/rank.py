"""How well supernets rank architectures: Spearman's correlation with the accuracy after a training alone, and between supernets.

    python3 rank.py supernet.csv

Accuracies of a seed's trainings are compared less their mean, as each seed has its own images. p is the share of 2,000 random
orders within the seeds that do at least as well.
"""

import csv
import random
import sys
from itertools import combinations


def ranks(values):
    order = sorted(values)
    return [order.index(v) + (order.count(v) - 1) / 2 for v in values]


def spearman(a, b):
    a, b = ranks(a), ranks(b)
    mean = (len(a) - 1) / 2
    product = sum((x - mean) * (y - mean) for x, y in zip(a, b))
    return product / (sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b)) ** 0.5


def centred(groups):
    return [value - sum(group) / len(group) for group in groups for value in group]


def against_training(judged, trained, rng):
    rho = spearman(centred(judged), centred(trained))
    shuffled = ([rng.sample(group, len(group)) for group in judged] for _ in range(2000))
    return rho, sum(spearman(centred(groups), centred(trained)) >= rho for groups in shuffled) / 2000


runs = {}
for row in csv.DictReader(open(sys.argv[1])):
    judged, trained = runs.setdefault(row["supernet"], ({}, {}))
    judged.setdefault(row["seed"], []).append(float(row["supernet_accuracy"]))
    trained.setdefault(row["seed"], []).append(float(row["trained_accuracy"]))

rng = random.Random(0)
for name, (judged, trained) in runs.items():
    accuracies = sum(judged.values(), [])
    rho, p = against_training(list(judged.values()), list(trained.values()), rng)
    print(f"{name}: rho {rho:+.2f}, p {p:.2f}, accuracy with the supernet's weights {min(accuracies):.3f} to {max(accuracies):.3f}")
for (a, (first, _)), (b, (second, _)) in combinations(runs.items(), 2):
    print(f"{a} and {b}: rho {spearman(sum(first.values(), []), sum(second.values(), [])):+.2f}")
