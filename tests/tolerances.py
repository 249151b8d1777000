"""The one table of tolerances: what each comparison may differ by, and why."""

# theory ---------------------------------------------------------------------------------------------------------------
# The reference curves are printed with nine digits by an independent prototype; its constants carry about 1e-8.
REFERENCE_CURVES = 1e-7
# The closed form against thirty digits.
CLOSED_FORM = 1e-10
# What rounding leaves of a train loss, whose weights are as large as the squares of the nodes'.
ROUNDING = 1e-11
# Quadrature constants against mpmath or closed forms.
CONSTANTS = 1e-11
# The published table of times is printed with four digits.
TIMES_TABLE = 5e-4
# Two routes of ours to one double-precision number.
SAME_NUMBER = 1e-9
# A limit against a large but finite argument.
LIMIT = 1e-7
# Times refined by exact evaluation against times read off a dense curve.
REFINED_TIME = 1e-4
# Published values are printed with five decimals.
PUBLISHED = 6e-6

# simulation (theory)
# A differential equation solved to 1e-10 against one eigendecomposition.
BRUTE_FORCE = 1e-7
# Entries of U and V against two-dimensional quadrature; the series ends at 1e-9.
NOISE_AVERAGE = 3e-9
# Sampled means, in standard errors, some of them estimated from 16 draws.
STANDARD_ERRORS = 4.5
# What an extrapolation from d = 30 and 60 to 1/d = 0 leaves: terms of order 2 C / (30 x 60) with C about 2.
FINITE_SIZE = 2e-3
# The exponent of a distance in the learning rate.
EXPONENT = 0.1
# Values printed with five decimals.
CHECK_VALUES = 6e-6

# Mass, mean and second moment by quadrature of the density, over bulks whose edges may differ by many decades.
DENSITY = 1e-8
# Traces of one drawn network at d = 300: fluctuations and corrections of order 1/d.
FINITE_TRACES = 0.02
# Distance of the eigenvalues' distribution at d = 100 from its limit.
KOLMOGOROV = 0.017
# An edge between exact signs of the discriminant, and a root to the digits of double precision.
EXACT_EDGE = 1e-11
ROOT = 1e-12

# empirics -------------------------------------------------------------------------------------------------------------
# A product of a thousand float32 factors against the same in float64.
FLOAT32 = 1e-5
# Distances in float32 against float64.
DISTANCES = 1e-6
# A first-order sampler with 500 steps against the exact flow of a Gaussian.
DDIM_500 = 5e-3
# Random-features networks of dimension 48 against the limit of infinite dimension: fluctuations of order 1/d.
RANDOM_FEATURES = 0.02
# Means of 30 000 samples, in units of their deviation.
SAMPLED = 0.03
# Quantiles of 1000 bootstrap draws of 200 samples: a grid of 0.005 and the sampling error.
BOOTSTRAP = 0.015
# Newton's method and bracketing against linear algebra.
LAWS = 1e-7
# The same against a derivative-free optimiser.
LAWS_NELDER_MEAD = 1e-4
# Losses of a network trained on digits against the closed form: finite d, steps, drawn noise, no Gaussian data.
CLOSED_FORM_ON_DIGITS = 0.02

# the command line
PRINTED = 5e-4
"""Half a unit of the last of four printed digits."""

# figures
MAP_SCALE = 1e-6
"""Logarithms and times refined to 1e-9, against the values put in."""

FINITE_NETWORK = 0.1
"""Curves of a few networks of dimension 40 to 100 against the limit: corrections and fluctuations of order 1/d."""
