"""A slow and obvious oracle for the closed form: docs/theory.md, sections 3 to 5, line by line, in mpmath.

Nothing is shared with the package: constants by mpmath's quadrature, equations in the papers' notation (m copies, two
kinds of samples, integrals over the spectrum as plain sums), a longer contour, thirty digits.
"""

from itertools import product

import mpmath as mp
import numpy as np

DIGITS = 30
NODES = 36


def constants(t, variance):
    """mu1, |sigma|^2, v^2, s^2 of tanh by nested quadrature."""
    signal, delta = mp.exp(-2 * t), -mp.expm1(-2 * t)
    gamma = mp.sqrt(signal * variance + delta)
    # The trapezoidal rule; with a step of 1/8 its error is below 1e-40 for these integrands.
    z = [mp.mpf(k) / 8 for k in range(-96, 97)]
    w = [mp.npdf(x) / 8 for x in z]
    mu1 = mp.fsum(q * x * mp.tanh(gamma * x) for q, x in zip(w, z))
    norm = mp.fsum(q * mp.tanh(gamma * x) ** 2 for q, x in zip(w, z))
    a = mu1 / gamma
    su, sw = mp.sqrt(signal * variance), mp.sqrt(delta)
    inner = [mp.fsum(q * mp.tanh(su * u + sw * x) for q, x in zip(w, z)) for u in z]
    v2 = mp.fsum(q * f**2 for q, f in zip(w, inner)) - a**2 * signal * variance
    return delta, signal, a, v2, norm - mu1**2 - v2


class Oracle:
    """Test, train and empirical loss of a tanh network; copies may be mp.inf."""

    def __init__(self, psi_n, psi_p, t, lam, w, copies):
        mp.mp.dps = DIGITS
        self.n, self.p, self.m = mp.mpf(psi_n), mp.mpf(psi_p), mp.mpf(copies)
        self.lam, self.w = [mp.mpf(x) for x in lam], [mp.mpf(x) for x in w]
        self.delta, self.signal, self.a, self.v2, self.s2 = constants(mp.mpf(t), self.integral(self.lam))
        self.b2 = self.delta * self.a**2
        self.data = [self.signal * self.a**2 * x for x in self.lam]
        if mp.isinf(self.m):
            # M and gamma at m = inf (docs/theory.md, section 3): one kind, with psi_n in place of psi_n m.
            self.kinds = [(self.data, self.v2, mp.mpf(1), self.n)]
            self.rest = (self.b2, self.s2)
        else:
            total = self.n * self.m
            self.kinds = [
                ([self.m * x + self.b2 for x in self.data], self.m * self.v2 + self.s2, 1 / self.m, total),
                ([self.b2] * len(self.lam), self.s2, 1 - 1 / self.m, total),
            ]
            self.rest = (mp.mpf(0), mp.mpf(0))

    def integral(self, values):
        return mp.fsum(w * x for w, x in zip(self.w, values))

    def solve(self, z, guess):
        """g and the deltas at z from a guess in double precision."""

        def residual(g, *deltas):
            m_k, gamma, u = self.parts(z, g, deltas)
            out = [g * (gamma + self.integral([m / (1 + self.p * g * m) for m in m_k])) - 1]
            for (ma, ga, _, total), d in zip(self.kinds, deltas):
                out.append(d - (self.integral([x * y for x, y in zip(ma, u)]) + ga * self.p * g) / total)
            return out

        root = mp.findroot(residual, [mp.mpmathify(complex(x)) for x in guess], tol=1e-45)
        assert mp.im(root[0]) > 0 and all(mp.im(d) > 0 for d in root[1:])
        return root[0], list(root[1:])

    def parts(self, z, g, deltas):
        m_k = [
            self.rest[0] + mp.fsum(pi * ma[k] / (1 + d) for (ma, _, pi, _), d in zip(self.kinds, deltas))
            for k in range(len(self.lam))
        ]
        gamma = self.rest[1] + mp.fsum(pi * ga / (1 + d) for (_, ga, pi, _), d in zip(self.kinds, deltas)) - z
        return m_k, gamma, [self.p * g / (1 + self.p * g * m) for m in m_k]

    def node(self, z, guess):
        g, deltas = self.solve(z, guess)
        m_k, _, u = self.parts(z, g, deltas)
        finite = not mp.isinf(self.m)
        theta = mp.fsum(pi / (1 + d) for (_, _, pi, _), d in zip(self.kinds, deltas)) if finite else mp.mpf(1)
        label = theta * self.b2 * self.integral(u)
        rho = (self.integral([x * y for x, y in zip(self.data, u)]) + self.v2 * self.p * g) / self.n
        return dict(
            g=g,
            deltas=deltas,
            m=m_k,
            u=u,
            d=[1 + self.p * g * x for x in m_k],
            theta=theta,
            label=label,
            eta=rho / (1 + deltas[0]),
        )

    @staticmethod
    def bar(node):
        conj = lambda x: [mp.conj(y) for y in x] if isinstance(x, list) else mp.conj(x)  # noqa: E731
        return {k: conj(v) for k, v in node.items()}

    def sandwich(self, x, y, mb, gb):
        """Q[B] of docs/theory.md, section 4."""
        dd = [p * q for p, q in zip(x["d"], y["d"])]
        gg = x["g"] * y["g"]
        h12 = gg / (1 - self.p * gg * self.integral([p * q / r for p, q, r in zip(x["m"], y["m"], dd)]))
        j = self.integral([1 / r for r in dd])

        def small_j(mc, gc):
            return self.integral([p / r for p, r in zip(mc, dd)]) + gc

        def pair(mc, jc):
            uu = [p * q for p, q in zip(x["u"], y["u"])]
            return self.integral([p * q * r for p, q, r in zip(mc, mb_, uu)]) + self.p * h12 * jc * jb_

        def both(mc, gc, md, gd):
            nonlocal mb_, jb_
            mb_, jb_ = md, small_j(md, gd)
            return pair(mc, small_j(mc, gc))

        mb_ = jb_ = None
        ones = [mp.mpf(1)] * len(self.lam)

        def p_of(md, gd):
            nonlocal mb_, jb_
            mb_, jb_ = md, small_j(md, gd)
            return pair(ones, j)

        size = len(self.kinds)
        omega = [pi / ((1 + x["deltas"][a]) * (1 + y["deltas"][a])) for a, (_, _, pi, _) in enumerate(self.kinds)]
        matrix, right = mp.eye(size), mp.matrix(size, 1)
        for a, (ma, ga, _, total) in enumerate(self.kinds):
            right[a] = both(ma, ga, mb, gb) / total
            for b, (mc, gc, _, _) in enumerate(self.kinds):
                matrix[a, b] -= omega[b] * both(ma, ga, mc, gc) / total
        chi = mp.lu_solve(matrix, right)
        kappa = [omega[a] * chi[a] for a in range(size)]
        k12 = p_of(mb, gb) + mp.fsum(kappa[a] * p_of(ma, ga) for a, (ma, ga, _, _) in enumerate(self.kinds))
        value = x["theta"] * y["theta"] * self.b2 * k12
        if not mp.isinf(self.m):
            value += mp.fsum(kappa) * (1 - x["label"] - y["label"])
        return value

    def population(self, x, y):
        return self.sandwich(x, y, [d + self.b2 for d in self.data], self.v2 + self.s2)

    def training_points(self, x, y):
        phi, ee = 1 - x["eta"] - y["eta"], x["eta"] * y["eta"] / self.m
        m0, g0, _, _ = self.kinds[0]
        mb = [phi * d + ee * c + self.b2 for d, c in zip(self.data, m0)]
        value = self.sandwich(x, y, mb, phi * self.v2 + ee * g0 + self.s2)
        return value + ee * (1 - x["label"] - y["label"])

    def losses(self, tau, guess):
        """(train, test, empirical) at tau; guess(z): double-precision [g, deltas] near the solution."""
        c = 2 * self.delta / self.p

        def contour(time):
            nodes, weights = [], []
            for k in range(NODES // 2):
                theta = -(2 * k + 1) * mp.pi / NODES
                cot = mp.cot(mp.mpf("0.6407") * theta)
                s = NODES * (mp.mpf("-0.6122") + mp.mpf("0.5017") * theta * cot + mp.mpc(0, "0.2645") * theta)
                ds = mp.diff(
                    lambda q: NODES * (mp.mpf("0.5017") * q * mp.cot(mp.mpf("0.6407") * q) + mp.mpc(0, "0.2645") * q),
                    theta,
                )
                z = -s / (c * time)
                nodes.append(self.node(z, guess(complex(z))))
                weights.append(-mp.exp(s) * ds / (mp.mpc(0, 1) * NODES * s))
            return nodes + [self.bar(x) for x in nodes], weights + [mp.conj(q) for q in weights]

        doubled, q2 = contour(2 * mp.mpf(tau))
        train = 1 + mp.fsum(q * (1 - x["theta"] + x["theta"] * x["label"]) for q, x in zip(q2, doubled))
        nodes, q = contour(mp.mpf(tau))
        first = mp.fsum(w * x["label"] for w, x in zip(q, nodes))
        pairs = list(product(range(len(q)), repeat=2))
        second = mp.fsum(q[i] * q[j] * self.population(nodes[i], nodes[j]) for i, j in pairs)
        empirical = train
        if not mp.isinf(self.m):
            empirical = (
                1 + 2 * first + mp.fsum(q[i] * q[j] * self.training_points(nodes[i], nodes[j]) for i, j in pairs)
            )
        return np.array([float(mp.re(x)) for x in (train, 1 + 2 * first + second, empirical)])
