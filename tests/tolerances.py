"""The one table of tolerances: what each comparison may differ by, and why."""

# theory ---------------------------------------------------------------------------------------------------------------
# The reference curves are printed with nine digits by an independent prototype; its constants carry about 1e-8.
REFERENCE_CURVES = 1e-7
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
