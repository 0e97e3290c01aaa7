# SPDX-License-Identifier: Apache-2.0
"""python.py - the bench's work for an interpreter: what programs in Python are
made of, each part so much as takes about as long as the others."""
import heapq
import json
import re


def nbody(steps):
    bodies = [[i * 1.1 + 1, i * i * 0.3, -i * 0.7, 0.01 * i, 0.02, -0.01 * i,
               1.0 / (i + 1)] for i in range(5)]
    for _ in range(steps):
        for i, a in enumerate(bodies):
            for b in bodies[i + 1:]:
                dx, dy, dz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
                f = 0.001 * (dx * dx + dy * dy + dz * dz + 0.01) ** -1.5
                for body, k in ((a, -b[6] * f), (b, a[6] * f)):
                    body[3] += dx * k
                    body[4] += dy * k
                    body[5] += dz * k
        for body in bodies:
            for i in range(3):
                body[i] += 0.001 * body[i + 3]
    return sum(map(sum, bodies))


def words(count):
    """Dicts, lists, strings, sorting."""
    seen = {}
    x = 1
    for _ in range(count):
        x = x * 1103515245 + 12345 & 0x7fffffff
        word = "w%x" % (x >> 16)
        seen.setdefault(word, []).append(x)
    order = sorted(seen, key=lambda w: (len(seen[w]), w[::-1]))
    text = " ".join(w.upper().replace("A", "-") for w in order)
    return len(re.findall(r"W\d+-", text)), order[:3], text[-9:]


class Node:
    __slots__ = ("left", "right", "value")

    def __init__(self, depth, value):
        self.value = value
        self.left = Node(depth - 1, 2 * value) if depth else None
        self.right = Node(depth - 1, 2 * value + 1) if depth else None

    def total(self):
        if self.left is None:
            return self.value
        return self.value + self.left.total() + self.right.total()


def paths(side):
    """Dijkstra on a grid: tuples and a heap."""
    cost = {(0, 0): 0}
    heap = [(0, 0, 0)]
    while heap:
        c, x, y = heapq.heappop(heap)
        if c > cost[x, y]:
            continue
        for p in ((x + 1, y), (x, y + 1), (x - 1, y), (x, y - 1)):
            if 0 <= p[0] < side and 0 <= p[1] < side:
                n = c + 1 + (p[0] * 7 + p[1] * 13) % 9
                if n < cost.get(p, 1 << 30):
                    cost[p] = n
                    heapq.heappush(heap, (n, *p))
    return cost[side - 1, side - 1]


def documents(count):
    data = {"list": [{"id": i, "name": "n%d" % i, "f": i / 7, "ok": i % 3 == 0,
                      "deep": [[i], {"a": None}]} for i in range(count)]}
    for _ in range(3):
        data = json.loads(json.dumps(data, sort_keys=True))
    return len(json.dumps(data, indent=1)), data["list"][-1]["f"]


def primes():
    """Generators, and integers longer than a word."""
    yield 2
    n, product = 3, 2
    while True:
        if n ** (product % 7 + 1) % n == 0 and all(n % d for d in
                                                   range(3, int(n ** .5) + 1)):
            yield n
            product = product * n % (1 << 127)
        n += 2


def main():
    print(nbody(12000))
    print(words(150000))
    print(Node(16, 1).total())
    print(paths(150))
    print(documents(6000))
    g = primes()
    print([next(g) for _ in range(3000)][-3:])
    print(str(3 ** 8000)[-40:])


main()
