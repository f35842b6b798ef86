"""CatBoost, trained as the rival is, answering how long its predictions take."""

import serve

answers = serve.quiet()

import catboost  # noqa: E402
import numpy  # noqa: E402
from catboost_rival import model, names, task, words  # noqa: E402

x = words(task.read("test.parquet").x)


def predict(rows):
    return model.predict(rows, prediction_type="Probability", thread_count=1)


def rows_of(batch):
    return [x.iloc[at].reset_index(drop=True) for at in serve.places(batch, len(x))]


def loop(arguments):
    return serve.Loop(predict, arguments, lambda: predict(*arguments[0]))


def from_pool(batch, _):
    return loop([(catboost.Pool(rows, cat_features=names),) for rows in rows_of(batch)])


def from_array(batch, _):
    return loop([(rows.to_numpy(dtype=object),) for rows in rows_of(batch)])


def from_file(batch, path):
    given, about, out = path + ".catboost.csv", path + ".catboost.cd", path + ".catboost.out.csv"
    x.iloc[numpy.arange(batch) % len(x)].to_csv(given, index=False)
    with open(about, "w", encoding="utf-8") as file:
        for at, name in enumerate(x.columns):
            print(f"{at}\t{'Categ' if name in names else 'Num'}\t{name}", file=file)

    def run():
        pool = catboost.Pool(given, column_description=about, delimiter=",", has_header=True, thread_count=1)
        p = predict(pool)
        numpy.savetxt(out, p[:, 1:])
        return p

    return serve.Loop(run, [()], run)


serve.serve(
    f"catboost {catboost.__version__}, {model.tree_count_} trees",
    {
        "CatBoost": serve.Form("Python: model.predict of a Pool that is ready", "encoded", from_pool),
        "CatBoost from an array": serve.Form("Python: model.predict of an array of objects", "encoded", from_array),
        "CatBoost from a file": serve.Form("Python: Pool of a file, model.predict, numpy.savetxt", "file", from_file),
    },
    answers,
)
