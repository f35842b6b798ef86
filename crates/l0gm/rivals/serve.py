"""The other side of `latency --peers`: answers what the runner asks about the time of a model's predictions.

Reads a JSON object a line from standard input and answers with one on standard output:

    {"do": "begin"}                                         -> {"version": ..., "forms": [{"name", "call", "input"}]}
    {"do": "prepare", "form": NAME, "batch": N, "file": F}  -> {"probabilities": [[...], ...]} of the first rows
    {"do": "turn", "form": NAME, "seconds": S, "repeats": R, "warmup": W} -> {"us": [...]}, microseconds of a pass

A form is a way of calling the model. Its `prepare(batch)` gives a `Loop`: a function and the arguments of its passes,
which go through different rows one after the other, so that a processor cannot learn the path of a single row by heart.
Each time that is answered is the mean over as many passes as last for a tenth of a millisecond.
"""

import ctypes
import json
import os
import sys
import time

import numpy

# Passes go through about so many rows, and as many batches at most.
ROWS = 8192
BATCHES = 1024
# Shortest time that is measured, in seconds.
SHORTEST = 1e-4
# Rows of which probabilities are answered.
SHOWN = 1024


class Loop:
    """Passes: `function(*arguments)` for each element of `arguments`, and `probabilities()` of the first one's rows.

    `in_c` says that the function is one of a C library, called through ctypes. What such a call itself takes is
    measured with a C function that does nothing, and subtracted.
    """

    def __init__(self, function, arguments, probabilities, in_c=False, held=()):
        self.function, self.arguments, self.probabilities = function, arguments, probabilities
        self.in_c, self.held, self.at = in_c, held, 0

    def call(self, function, count):
        """The seconds that `count` passes take."""
        passes = [self.arguments[(self.at + i) % len(self.arguments)] for i in range(count)]
        self.at += count
        begin = time.perf_counter()
        for arguments in passes:
            function(*arguments)
        return time.perf_counter() - begin

    def overhead(self):
        """What calling costs, in seconds of a pass."""
        if not self.in_c:
            return 0.0
        nothing = ctypes.CDLL(None).abs
        self.call(nothing, 1000)
        return min(self.call(nothing, 1000) for _ in range(5)) / 1000

    def turn(self, seconds, repeats, warmup):
        begin = time.perf_counter()
        once = min(self.call(self.function, 1) for _ in range(max(warmup, 1)))
        passes = max(1, min(10_000, int(SHORTEST / max(once, 1e-7))))
        overhead = self.overhead()
        times = []
        while len(times) < repeats and (not times or time.perf_counter() - begin < seconds):
            each = self.call(self.function, passes) / passes
            times.append(1e6 * max(each - overhead, 0.0))
        return times


def places(batch, rows):
    """The test rows of each batch: the split from its beginning, repeated where it is too short."""
    count = max(1, min(BATCHES, ROWS // batch))
    return [numpy.arange(at * batch, (at + 1) * batch) % rows for at in range(count)]


def codes(x):
    """A data frame as numbers: categories by their codes, missing and unknown ones as no number."""
    columns = []
    for name in x.columns:
        words = hasattr(x[name], "cat")
        cells = x[name].cat.codes.to_numpy("float64") if words else x[name].to_numpy("float64")
        columns.append(numpy.where(cells < 0, numpy.nan, cells) if words else cells)
    return numpy.ascontiguousarray(numpy.column_stack(columns))


def quiet():
    """Keeps standard output for answers: whatever else a library prints there goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def serve(version, forms, answers):
    """Answers until standard input ends. `forms` holds, by name, an object with `call`, `input` and `prepare`."""
    loops = {}
    for line in sys.stdin:
        question = json.loads(line)
        answer = {}
        try:
            match question["do"]:
                case "begin":
                    about = [{"name": name, "call": form.call, "input": form.input} for name, form in forms.items()]
                    answer = {"version": version, "forms": about}
                case "prepare":
                    name = question["form"]
                    loops.pop(name, None)
                    loops[name] = forms[name].prepare(question["batch"], question.get("file"))
                    shown = numpy.asarray(loops[name].probabilities(), dtype="float64")[:SHOWN]
                    answer = {"probabilities": shown.tolist()}
                case "turn":
                    loop = loops[question["form"]]
                    answer = {"us": loop.turn(question["seconds"], question["repeats"], question["warmup"])}
        except Exception as error:  # the other side reports it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def both(p):
    """Two columns from the probability of the second class, or the columns as they are."""
    p = numpy.asarray(p, dtype="float64")
    if p.ndim == 2 and p.shape[1] > 1:
        return p
    p = p.reshape(-1)
    return numpy.stack([1 - p, p], axis=1)


class Form:
    """One way of calling a model. `call` and `input` are sentences for the table's note."""

    def __init__(self, call, input, prepare):
        self.call, self.input, self.prepare = call, input, prepare
