"""One vocabulary: the events of a training, and the factors that move their times."""

# When the test loss is near its best, when the losses part, when the test loss has risen: what a loss curve tells.
PREDICTED = ("gen", "gap", "mem")
# And when copies appear. The theory has losses but no samples, so it has no time of its own for that.
RECORDED = (*PREDICTED, "copy")
# And when f_mem reaches half its final value.
EVENTS = (*RECORDED, "half")
EVENT_SYMBOLS = {"gen": "τ_gen", "gap": "τ_gap", "mem": "τ_mem", "copy": "τ_copy"}
EVENT_NAMES = {"gen": "generalization time", "gap": "gap time", "mem": "memorization time", "copy": "copying time"}

# The symbol of each factor in the papers, with its field of TrainConfig.
FACTORS = {"n": "n", "W": "width", "B": "batch_size", "eta": "learning_rate"}
# Those that are turned on one data set.
KNOBS = {symbol: field for symbol, field in FACTORS.items() if symbol != "n"}
FACTOR_SYMBOLS = {"n": "n", "W": "W", "B": "B", "eta": "η"}
