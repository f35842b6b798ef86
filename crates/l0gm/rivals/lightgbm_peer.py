"""LightGBM, trained as the rival is, answering how long its C interface takes."""

import ctypes
import os

import serve

answers = serve.quiet()

import lightgbm  # noqa: E402
import numpy  # noqa: E402
from lightgbm.basic import _LIB, _safe_call  # noqa: E402
from lightgbm_rival import model, task  # noqa: E402

booster = model.booster_
trees = model.best_iteration_ or booster.num_trees()
outputs = 1 if len(task.classes) == 2 else len(task.classes)
ROW_MAJOR, FLOAT64, NORMAL = 1, 1, 0
PARAMETERS = b"num_threads=1 verbose=-1"
x = task.read("test.parquet").x
codes = serve.codes(x)


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


def from_matrix(batch, _):
    rows = [numpy.ascontiguousarray(codes[at]) for at in serve.places(batch, len(codes))]
    found = numpy.zeros((batch, outputs))
    length = ctypes.c_int64(0)
    columns = codes.shape[1]
    out = (ctypes.byref(length), pointer(found))
    if batch == 1:
        config = ctypes.c_void_p()
        init = _LIB.LGBM_BoosterPredictForMatSingleRowFastInit
        _safe_call(
            init(booster._handle, NORMAL, 0, trees, FLOAT64, ctypes.c_int32(columns), PARAMETERS, ctypes.byref(config))
        )
        function = _LIB.LGBM_BoosterPredictForMatSingleRowFast
        arguments = [(config, pointer(row), *out) for row in rows]
    else:
        function = _LIB.LGBM_BoosterPredictForMat
        size = (ctypes.c_int32(batch), ctypes.c_int32(columns), ROW_MAJOR)
        arguments = [
            (booster._handle, pointer(row), FLOAT64, *size, NORMAL, 0, trees, PARAMETERS, *out) for row in rows
        ]

    def probabilities():
        _safe_call(function(*arguments[0]))
        return serve.both(found.reshape(batch, outputs))

    return serve.Loop(function, arguments, probabilities, in_c=True, held=(rows, found, length))


def from_file(batch, path):
    given = path + ".lightgbm.csv"
    rows = codes[numpy.arange(batch) % len(codes)]
    with open(given, "w", encoding="utf-8") as file:
        print(",".join(x.columns), file=file)
        for row in rows:
            # An empty cell would be read as 0.
            print(",".join("nan" if numpy.isnan(cell) else f"{cell:.17g}" for cell in row), file=file)
    found = path + ".lightgbm.txt"
    function = _LIB.LGBM_BoosterPredictForFile
    has_header = 1
    arguments = [
        (booster._handle, os.fsencode(given), has_header, NORMAL, 0, trees, PARAMETERS, os.fsencode(found)),
    ]

    def probabilities():
        _safe_call(function(*arguments[0]))
        return serve.both(numpy.loadtxt(found, ndmin=2, max_rows=serve.SHOWN))

    return serve.Loop(function, arguments, probabilities, in_c=True)


serve.serve(
    f"lightgbm {lightgbm.__version__}, {trees} trees",
    {
        "LightGBM": serve.Form(
            "C interface (LGBM_BoosterPredictForMatSingleRowFast for one row, else LGBM_BoosterPredictForMat)",
            "encoded",
            from_matrix,
        ),
        "LightGBM from a file": serve.Form(
            "C interface (LGBM_BoosterPredictForFile), categories as numbers, because it reads no words",
            "file",
            from_file,
        ),
    },
    answers,
)
