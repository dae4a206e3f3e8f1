"""Compares intervals of round values: do those of the first rounds hold the mean of the later ones?

usage: compare.py VALUES.json...    (each: a list of sessions, each {"values": {key: [nanoseconds of each round, level divided out]}})
"""
import json
import math
import statistics
import sys


def t_quantile(degrees, probability):
    z = statistics.NormalDist().inv_cdf(probability)
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3


def rank(n, confidence):
    limit, p, tail, found = (1 - confidence) / 2, 0.5**n, 0.0, 0
    for k in range(n // 2):
        tail += p
        if tail > limit:
            break
        found, p = k + 1, p * (n - k) / (k + 1)
    return found


def by_order(values):
    """Order statistics around the median, 99 %: center, half-width."""
    ordered, r = sorted(values), rank(len(values), 0.99)
    low, high = ordered[r - 1], ordered[len(values) - r]
    return (low + high) / 2, (high - low) / 2


def trimmed(values):
    """Mean without a fifth at either end, its Winsorized variance, degrees of freedom."""
    ordered, n = sorted(values), len(values)
    cut = int(0.2 * n)
    kept = n - 2 * cut
    clamped = [min(max(v, ordered[cut]), ordered[n - 1 - cut]) for v in values]
    return statistics.fmean(ordered[cut : n - cut]), statistics.variance(clamped) * (n - 1) / (kept * (kept - 1)), kept - 1


def digamma(x):
    total = 0.0
    while x < 6:
        total, x = total - 1 / x, x + 1
    f = 1 / (x * x)
    return total + math.log(x) - 0.5 / x - f * (1 / 12 - f * (1 / 120 - f / 252))


def trigamma(x):
    total = 0.0
    while x < 6:
        total, x = total + 1 / (x * x), x + 1
    f = 1 / (x * x)
    return total + 1 / x + f / 2 + f / x * (1 / 6 - f * (1 / 30 - f / 42))


def common(variances, degrees):
    """Common variance and its degrees of freedom (Smyth, 2004)."""
    logs = [math.log(max(v, 1e-14)) - digamma(degrees / 2) + math.log(degrees / 2) for v in variances]
    spread = statistics.variance(logs) - trigamma(degrees / 2)
    if spread <= 0:
        return math.exp(statistics.fmean(logs)), 1e3
    low, high = 1e-3, 1e6
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if trigamma(middle) > spread else (low, middle)
    return math.exp(statistics.fmean(logs) + digamma(low) - math.log(low)), 2 * low


print("| journal | rounds | order statistics: holds | median | root mean square | lent variance: holds | median | root mean square |")
print("|---|---|---|---|---|---|---|---|")
for path in sys.argv[1:]:
    sessions = json.load(open(path))
    for rounds in (8, 12, 18):
        old, new = [], []
        for session in sessions:
            layers = [[math.log(v) for v in values] for key, values in session["values"].items() if not key.startswith("whole")]
            layers = [values for values in layers if len(values) >= rounds + 8]
            if not layers:
                continue
            first, later = [trimmed(v[:rounds]) for v in layers], [trimmed(v[rounds:]) for v in layers]
            degrees = first[0][2]
            prior, lent = common([v for _, v, _ in first], degrees)
            t = t_quantile(degrees + lent, 0.995)
            for values, (center, own, _), (truth, error, _) in zip(layers, first, later):
                for found, (middle, half) in (
                    (old, by_order(values[:rounds])),
                    (new, (center, t * math.sqrt((degrees * own + lent * prior) / (degrees + lent)))),
                ):
                    found.append((abs(middle - truth) <= math.hypot(half, 1.96 * math.sqrt(error)), half))
        if old:
            cells = []
            for found in (old, new):
                halves = [half for _, half in found]
                mean_square = math.sqrt(statistics.fmean(half * half for half in halves))
                cells += [f"{statistics.fmean(held for held, _ in found):.3f}", f"{100 * statistics.median(halves):.1f} %", f"{100 * mean_square:.1f} %"]
            name = path.rsplit("/", 1)[-1].removesuffix(".json")
            print(f"| {name} | {rounds} of {max(len(v) for v in layers)} | " + " | ".join(cells) + " |")
